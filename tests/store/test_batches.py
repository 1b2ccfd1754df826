"""Batches: a folder has a name, a name has one folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import batches
from store.errors import BadBatchName, BatchNameTaken, UnknownBatch


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "Äpril 2026 (Club)"
    made.mkdir()
    return made


def register(database, folder, name="april", **more):
    return batches.register(database, pipeline="judge", name=name, folder=folder, **more)


def test_a_registered_batch_is_open_and_has_no_pins(database, folder):
    made = register(database, folder, rules=folder / "rules.toml")
    assert (made.pipeline, made.name, made.folder, made.rules) == (
        "judge",
        "april",
        folder,
        folder / "rules.toml",
    )
    assert (made.state, made.pins, made.published_at, made.published_by) == ("open", {}, None, None)
    assert batches.batch(database, "judge", "april") == made


def test_registering_the_same_folder_again_changes_nothing(database, folder):
    made = register(database, folder, rules=folder / "rules.toml")
    pinned = batches.pin(database, "judge", "april", "judge/critiques", profile="p")
    assert register(database, folder) == pinned
    assert pinned.registered_at == made.registered_at


def test_the_same_folder_by_another_way_is_the_same_folder(database, folder, tmp_path, monkeypatch):
    made = register(database, folder)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(folder)
    assert register(database, tmp_path / "link") == made
    assert register(database, Path()) == made
    assert register(database, folder / "x" / "..") == made


def test_registering_with_other_rules_changes_the_rules(database, folder):
    register(database, folder, rules=folder / "old.toml")
    assert register(database, folder, rules=folder / "new.toml").rules == folder / "new.toml"


def test_rules_can_be_taken_away(database, folder):
    register(database, folder, rules=folder / "club.toml")
    assert batches.without_rules(database, "judge", "april").rules is None
    assert batches.batch(database, "judge", "april").rules is None


def test_a_batch_knows_whether_its_folder_is_there(database, folder):
    known = register(database, folder)
    assert known.has_folder
    folder.rename(folder.with_name("elsewhere"))
    assert not known.has_folder


def test_another_folder_cannot_take_a_name_that_is_taken(database, folder, tmp_path):
    register(database, folder)
    with pytest.raises(BatchNameTaken, match=r"'april' belongs to .*Äpril 2026.*Choose another name"):
        register(database, tmp_path)


def test_the_two_pipelines_have_names_of_their_own(database, folder, tmp_path):
    register(database, folder)
    batches.register(database, pipeline="tagger", name="april", folder=tmp_path)
    assert [made.pipeline for made in batches.batches(database)] == ["judge", "tagger"]
    assert [made.folder for made in batches.batches(database, "tagger")] == [tmp_path]


def test_a_folder_whose_name_is_no_utf_8_comes_back_as_it_was(database, tmp_path):
    odd = tmp_path / "100% caf\udce9"
    assert register(database, odd).folder == odd


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "..", "a...b", "ä", "x" * 81, "a\n"])
def test_a_name_that_is_no_slug_is_refused(database, folder, name):
    with pytest.raises(BadBatchName, match="a-z, 0-9"):
        register(database, folder, name=name)


def test_a_batch_that_nobody_registered_is_answered_with_the_nearest(database, folder):
    register(database, folder)
    with pytest.raises(UnknownBatch, match=r"no judge batch 'aprl'. Did you mean april"):
        batches.batch(database, "judge", "aprl")
    with pytest.raises(UnknownBatch, match="imageworks tag FOLDER"):
        batches.batch(database, "tagger", "april")


def test_pins_are_merged_by_stage_and_none_takes_one_away(database, folder):
    register(database, folder)
    batches.pin(database, "judge", "april", "judge/critiques", profile="club-judge", model="judge")
    batches.pin(database, "judge", "april", "judge/playoff", model="pairwise")
    changed = batches.pin(database, "judge", "april", "judge/critiques", model="tiny-vlm")
    assert changed.pins == {
        "judge/critiques": {"profile": "club-judge", "model": "tiny-vlm"},
        "judge/playoff": {"model": "pairwise"},
    }
    emptied = batches.pin(database, "judge", "april", "judge/playoff", model=None)
    assert emptied.pins == {"judge/critiques": {"profile": "club-judge", "model": "tiny-vlm"}}
    assert batches.batch(database, "judge", "april") == emptied


def test_pinning_and_publishing_need_a_registered_batch(database):
    with pytest.raises(UnknownBatch):
        batches.pin(database, "judge", "nowhere", "judge/critiques", model="judge")
    with pytest.raises(UnknownBatch):
        batches.publish(database, "judge", "nowhere", by="me")


def test_publishing_keeps_who_was_first(database, folder):
    register(database, folder)
    first = batches.publish(database, "judge", "april", by="Ada")
    assert (first.state, first.published_by) == ("published", "Ada")
    assert first.published_at >= first.registered_at
    assert batches.publish(database, "judge", "april", by="Bob") == first


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Äpril 2026 (Club)", "april-2026-club"),
        ("a...b", "a-b"),
        ("__x__", "x"),
        ("Weiß & Co", "wei-co"),
        ("caf\udce9", "caf"),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_folder_gives_a_readable_slug(name, slug):
    assert batches.batch_name(Path("/photos") / name) == slug


def test_a_folder_without_a_latin_letter_is_named_by_its_digest():
    slug = batches.batch_name(Path("/photos/写真"))
    assert re.fullmatch(r"batch-[0-9a-f]{8}", slug)
    assert slug != batches.batch_name(Path("/photos/照片"))


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_any_folder_has_a_slug_that_can_be_registered(name):
    slug = batches.batch_name(Path("/photos") / name)
    assert re.fullmatch(r"[a-z0-9_-]{1,80}", slug)
    assert "..." not in slug


def test_a_new_folder_is_named_after_itself_and_keeps_the_name(database, folder):
    assert batches.name_for(database, "judge", folder) == "april-2026-club"
    register(database, folder, name="april-2026-club")
    assert batches.name_for(database, "judge", folder) == "april-2026-club"


def test_a_folder_that_was_registered_under_another_name_keeps_that(database, folder):
    register(database, folder, name="spring")
    assert batches.name_for(database, "judge", folder) == "spring"


def test_a_second_folder_of_the_same_name_gets_a_digest_behind_it(database, folder, tmp_path):
    register(database, folder, name="april-2026-club")
    other = tmp_path / "elsewhere" / folder.name
    name = batches.name_for(database, "judge", other)
    assert re.fullmatch(r"april-2026-club-[0-9a-f]{6}", name)
    register(database, other, name=name)
    assert batches.name_for(database, "judge", other) == name
    assert batches.name_for(database, "tagger", other) == "april-2026-club"
