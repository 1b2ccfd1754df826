"""Labels point at revisions; how they were moved is never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from prompt_hub.errors import (
    AccessRefused,
    BadLabel,
    LabelMoved,
    NothingToRollBack,
    PromotionRefused,
    UnknownLabel,
)
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.tables import prompt_label_moves

ANN, BOB, EVE = Identity("ann"), Identity("bob"), Identity("eve")


@pytest.fixture
def labels(store):
    """Ann is an admin, Bob an author, Eve a publisher."""
    store.access.give(ANN, "bob", "author")
    store.access.give(ANN, "eve", "publisher")
    return store.labels


def test_a_label_points_at_a_revision(labels, kept):
    first = kept()
    move = labels.move(BOB, "staging", first, why="To try")
    assert (move.from_hash, move.to_hash, move.who, move.why) == (None, first.hash, BOB, "To try")
    assert labels.at("made", "staging") == first
    assert labels.of("made") == {"staging": first.hash}


def test_an_unknown_label_is_told_with_those_that_there_are(labels, kept):
    labels.move(BOB, "staging", kept(), why="")
    with pytest.raises(UnknownLabel, match=r"'made' has no label 'production'\. It has staging"):
        labels.at("made", "production")


def test_every_move_stays_in_the_history_with_who_when_why_from_and_to(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    labels.move(BOB, "staging", first, why="a")
    labels.move(EVE, "staging", second, why="b")
    labels.roll_back(EVE, "made", "staging", why="c")
    labels.remove(BOB, "made", "staging", why="d")
    history = labels.history("made")
    assert [(one.from_hash, one.to_hash, one.who, one.why) for one in history] == [
        (None, first.hash, BOB, "a"),
        (first.hash, second.hash, EVE, "b"),
        (second.hash, first.hash, EVE, "c"),
        (first.hash, None, BOB, "d"),
    ]
    assert [one.moved_at for one in history] == sorted(one.moved_at for one in history)
    assert labels.of("made") == {}


def test_a_label_that_was_never_moved_cannot_be_rolled_back(labels, kept):
    labels.move(BOB, "staging", kept(), why="")
    with pytest.raises(NothingToRollBack):
        labels.roll_back(BOB, "made", "staging", why="")


def test_protected_labels_are_moved_by_publishers_alone(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    labels.move(EVE, "production", first, why="")
    for attempt in (
        lambda: labels.move(BOB, "production", second, why=""),
        lambda: labels.roll_back(BOB, "made", "production", why=""),
        lambda: labels.remove(BOB, "made", "production", why=""),
    ):
        with pytest.raises(AccessRefused, match="bob is an author, and that takes a publisher"):
            attempt()
    assert labels.at("made", "production") == first


@pytest.mark.parametrize("name", ["", "Production", "a b", "1st", "abcdef0123", "x" * 41, "a@b", "../a"])
def test_a_text_that_names_no_label_is_refused(labels, kept, name):
    with pytest.raises(BadLabel):
        labels.move(BOB, name, kept(), why="")


def test_of_two_who_move_a_label_from_the_same_place_one_is_told(labels, kept):
    first, second, third = (kept(f"{number} {{{{ title }}}}") for number in range(3))
    labels.move(BOB, "staging", first, why="")
    labels.move(BOB, "staging", second, why="", expected=first.hash)
    with pytest.raises(LabelMoved, match="somebody else moved it"):
        labels.move(EVE, "staging", third, why="", expected=first.hash)
    assert labels.at("made", "staging") == second


def test_moves_at_the_same_time_are_one_after_another(labels, kept, database):
    revisions = [kept(f"{number} {{{{ title }}}}") for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: labels.move(BOB, "staging", one, why=""), revisions))
    history = labels.history("made", "staging")
    assert [one.from_hash for one in history] == [None, *(one.to_hash for one in history[:-1])]
    assert labels.at("made", "staging").hash == history[-1].to_hash
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(prompt_label_moves)) == 8


@pytest.fixture
def gated(database, labels):
    """Production requires a text that begins with `Good`."""

    def unmet(label, revision):
        good = revision.profile.stage("caption").user.startswith("Good")
        return () if label != "production" or good else ("it is not good",)

    return PromptStore.over(database, unmet=unmet).labels


def test_a_revision_that_does_not_meet_what_a_label_requires_is_not_promoted(gated, kept):
    with pytest.raises(PromotionRefused, match=r"production of made cannot point at .*: it is not good"):
        gated.move(EVE, "production", kept("Bad {{ title }}"), why="Hurry")
    gated.move(EVE, "staging", kept("Bad {{ title }}"), why="")
    gated.move(EVE, "production", kept("Good {{ title }}"), why="")


def test_only_an_admin_with_a_reason_passes_over_requirements_and_it_stays_in_the_history(gated, kept):
    bad = kept("Bad {{ title }}")
    with pytest.raises(AccessRefused, match="requirements are not met: eve is a publisher"):
        gated.move(EVE, "production", bad, why="Hurry", override=True)
    with pytest.raises(PromotionRefused, match="gives a reason"):
        gated.move(ANN, "production", bad, why=" ", override=True)
    gated.move(ANN, "production", bad, why="The final is tonight", override=True)
    (move,) = gated.history("made", "production")
    assert (move.who, move.why, move.overrode) == (ANN, "The final is tonight", "it is not good")
