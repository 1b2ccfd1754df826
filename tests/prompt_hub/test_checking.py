"""Problems and doubts about templates."""

from __future__ import annotations

import pytest

from prompt_hub.checking import template_doubts, template_problems

TEXT = {"schema": {"type": "string"}}
NUMBER = {"schema": {"type": "integer"}}
LIST = {"schema": {"type": "array", "items": {"type": "string"}}}


def doubts(profile):
    return [problem for _, problem in template_doubts(profile)]


def test_a_problem_has_its_place(profile_of):
    profile = profile_of(system="{{ x }}", user="{{ a() }}")
    assert [place for place, _ in template_problems(profile)] == [
        ("stages", "caption", "system"),
        ("stages", "caption", "user"),
    ]


@pytest.mark.parametrize(
    "user",
    [
        "<title>{{ title }}</title>",
        "<a><title>{{ title }}</title>{{ title }}</a>",
        "<t>{% if title %}{{ title }}{% endif %}</t>",
        "{% if title %}<t>{{ title }}</t>{% else %}<t>none</t>{% endif %}",
        "{% if title %}{{ title|length }}{% endif %}",
    ],
)
def test_text_between_tags_raises_no_doubt(profile_of, user):
    assert doubts(profile_of(user=user)) == []


@pytest.mark.parametrize(
    "user",
    [
        "Title: {{ title }}",
        "<title>x</title>{{ title }}",
        "{% if title %}<t>{% endif %}{{ title }}",
        "<t>x</t>{{ title|upper }}",
        "{{ title if title else 'x' }}",
        "<title>x</title> <b/> {{ title }}",
    ],
)
def test_text_outside_of_tags_raises_a_doubt(profile_of, user):
    assert any("outside of tags" in doubt for doubt in doubts(profile_of(user=user)))


def test_numbers_need_no_tags_and_items_of_lists_do(profile_of):
    assert doubts(profile_of(user="{{ title }}", variables={"title": NUMBER})) == []
    user = "{% for word in title %}{{ loop.index }} {{ word }}{% endfor %}"
    assert len(doubts(profile_of(user=user, variables={"title": LIST}))) == 1
    assert doubts(profile_of(user=f"<words>{user}</words>", variables={"title": LIST})) == []


def test_a_required_variable_that_no_template_uses_raises_a_doubt(profile_of):
    assert doubts(profile_of(variables={"title": TEXT, "more": TEXT})) == ["is required but never used"]
    assert doubts(profile_of(variables={"title": TEXT, "more": {**TEXT, "required": False}})) == []


def test_a_variable_in_the_system_message_raises_a_doubt(profile_of):
    assert any("keep what differs" in doubt for doubt in doubts(profile_of(system="<t>{{ title }}</t>")))
