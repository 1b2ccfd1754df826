"""Candidates are held to their stage's contract before any model is asked with them."""

from __future__ import annotations

import pytest

from prompt_hub.errors import NothingToChange
from prompt_hub.improving.candidates import Subject


@pytest.fixture
def subject(profile_of):
    profile = profile_of(system="You look. Be fair.", user="<title>{{ title }}</title>")
    layered = {
        "partials": {"manner": "Be fair.", "other": "No."},
        "stages": {
            "caption": {"system": 'You look. {% include "manner" %}', "user": "<title>{{ title }}</title>"}
        },
    }
    return lambda *frozen: Subject.of(profile, "caption", layered, frozen)


def test_the_texts_that_may_change_are_the_stages_and_their_partials(subject):
    assert set(subject().seed) == {"system", "user", "partials.manner"}
    assert set(subject("partials", "user").seed) == {"system"}
    with pytest.raises(NothingToChange, match="text partials"):
        subject("partials.nope")
    with pytest.raises(NothingToChange, match="frozen"):
        subject("partials", "user", "system")


def test_a_candidate_is_put_into_the_profile_with_its_partials(subject):
    one = subject()
    assert one.applied(one.seed).hash == one.profile.hash
    made = one.applied({**one.seed, "partials.manner": "Be plain."})
    assert made.stage("caption").system == "You look. Be plain."


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"user": "Look."}, "drops {{ title }}"),
        ({"user": "<title>{{ title }}</title>{{ mood }}"}, "'mood', which is not declared"),
        ({"user": "{{ title }}"}, "outside of tags"),
        ({"user": "<title>{{ title }}</title>{% if"}, "not a template"),
        ({"system": '{% include "nope" %}'}, "no such partial"),
        ({"system": "<t>{{ title }}</t>"}, "keep what differs from photo to photo"),
        ({"system": "x" * 70_000}, "larger than 64 KiB"),
        ({"user": ""}, "empty"),
        ({"partials.manner": '{% include "manner" %}'}, "circle"),
        ({"partials.other": "Yes."}, "frozen"),
        ({"system": "{{ title.__class__ }}"}, "starts with _"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_refused_with_a_reason(subject, changes, problem):
    one = subject()
    assert problem in one.problem({**one.seed, **changes})


def test_other_words_are_no_problem(subject):
    one = subject()
    assert one.problem({**one.seed, "system": "You look closely."}) is None
