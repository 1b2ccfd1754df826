"""Labels point at revisions; how they were moved is never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from prompt_hub.revisions.labels import revision_before
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


def test_a_second_rollback_goes_further_back_and_not_forward(labels, kept):
    first, second, third = (kept(f"{number} {{{{ title }}}}") for number in range(3))
    for revision in (first, second, third):
        labels.move(BOB, "staging", revision, why="")
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == second.hash
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == first.hash
    with pytest.raises(NothingToRollBack, match="no revision to go back to"):
        labels.roll_back(BOB, "made", "staging", why="")
    labels.move(BOB, "staging", third, why="")
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == first.hash


@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20))
def test_going_back_never_stays_and_comes_to_an_end_at_the_first_revision(wishes):
    moves = []
    for wish in wishes:
        to = revision_before(moves) if wish is None else wish
        if to is not None:
            moves.append((to, wish is None))
    ways = len(moves)
    while (before := revision_before(moves)) is not None:
        assert before != moves[-1][0]
        moves.append((before, True))
        assert len(moves) <= 2 * ways
    assert moves[-1:] == [] or moves[-1][0] == moves[0][0]


def test_who_moved_a_label_back_by_hand_can_roll_that_back(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    for revision in (first, second, first):
        labels.move(BOB, "staging", revision, why="")
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == second.hash
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == first.hash


def test_a_move_to_where_it_points_is_none_and_stands_in_no_history(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    labels.move(BOB, "staging", first, why="")
    labels.move(BOB, "staging", second, why="")
    assert labels.move(BOB, "staging", second, why="Once more").is_none
    assert len(labels.history("made")) == 2
    assert labels.roll_back(BOB, "made", "staging", why="").to_hash == first.hash


def test_a_protected_label_is_moved_only_with_words(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    with pytest.raises(PromotionRefused, match="production is protected: say why"):
        labels.move(EVE, "production", first, why=" ")
    labels.move(EVE, "production", first, why="The first")
    labels.move(EVE, "production", second, why="Better")
    for attempt in (
        lambda: labels.roll_back(EVE, "made", "production", why=""),
        lambda: labels.remove(EVE, "made", "production", why=""),
    ):
        with pytest.raises(PromotionRefused, match="say why"):
            attempt()


def test_protected_labels_are_moved_by_publishers_alone(labels, kept):
    first, second = kept("1 {{ title }}"), kept("2 {{ title }}")
    labels.move(EVE, "production", first, why="The first")
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

    def unmet(label, profile, named):
        del named
        good = profile.stage("caption").user.startswith("Good")
        return () if label != "production" or good else ("it is not good",)

    return PromptStore.over(database, unmet=unmet).labels


def test_a_revision_that_does_not_meet_what_a_label_requires_is_not_promoted(gated, kept):
    with pytest.raises(PromotionRefused, match=r"production of made cannot point at .*: it is not good"):
        gated.move(EVE, "production", kept("Bad {{ title }}"), why="Hurry")
    gated.move(EVE, "staging", kept("Bad {{ title }}"), why="")
    gated.move(EVE, "production", kept("Good {{ title }}"), why="Better")


def test_what_hinders_a_move_is_told_and_nothing_is_kept_of_it(gated, kept, store):
    bad = kept("Bad {{ title }}").profile
    assert gated.hindrances(EVE, "production", bad, named="made") == ["it is not good"]
    (role, good) = gated.hindrances(BOB, "production", bad, named="made")
    assert (role, good) == ("bob is an author, and that takes a publisher", "it is not good")
    assert gated.hindrances(EVE, "staging", bad, named="made") == []
    assert gated.history("made") == []
    assert store.access.refusals() == []


def test_only_an_admin_with_a_reason_passes_over_requirements_and_it_stays_in_the_history(gated, kept):
    bad = kept("Bad {{ title }}")
    with pytest.raises(AccessRefused, match="requirements are not met: eve is a publisher"):
        gated.move(EVE, "production", bad, why="Hurry", override=True)
    with pytest.raises(PromotionRefused, match="gives a reason"):
        gated.move(ANN, "production", bad, why=" ", override=True)
    gated.move(ANN, "production", bad, why="The final is tonight", override=True)
    (move,) = gated.history("made", "production")
    assert (move.who, move.why, move.overrode) == (ANN, "The final is tonight", "it is not good")
