"""References: what the files say, or what is kept."""

from __future__ import annotations

import pytest

from prompt_hub.errors import BadReference, UnknownLabel, UnknownProfile, UnknownRevision
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.references import Reference
from prompt_hub.revisions.store import PromptStore, resolve
from store.database import StateDatabase
from store.errors import DatabaseUnreachable
from store.settings import Settings

ANN = Identity("ann")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("club-judge", Reference("club-judge")),
        ("club-judge@production", Reference("club-judge", label="production")),
        ("club-judge@1a2b3c4d5e6f", Reference("club-judge", digits="1a2b3c4d5e6f")),
        ("club-judge@facade", Reference("club-judge", digits="facade")),
        ("club-judge@face", Reference("club-judge", label="face")),
    ],
)
def test_a_reference_is_an_id_a_label_or_the_digits_of_a_hash(text, reference):
    assert Reference.parse(text) == reference


@pytest.mark.parametrize("text", ["", "@", "@production", "club-judge@"])
def test_what_names_no_prompt_is_told(text):
    with pytest.raises(BadReference):
        Reference.parse(text)


def test_an_id_means_the_files_and_a_label_or_a_hash_what_is_kept(store, user_folder):
    shipped = PromptHub.load().get("library")
    store.revisions.keep(shipped, author="ann", message="")
    store.labels.move(ANN, "staging", store.revisions.get("library", shipped.hash), why="")
    user_folder.write("mine.yaml", "id: library\nstages: {keywords: {parameters: {temperature: 0.7}}}\n")
    hub = PromptHub.load(user_folder.path)

    assert resolve("library", hub, store) == hub.get("library") != shipped
    for kept in ("library@staging", f"library@{shipped.hash[:12]}"):
        assert resolve(kept, hub, store).hash == shipped.hash


def test_unknown_is_told_apart_from_unreachable(store, tmp_path):
    hub = PromptHub.load()
    with pytest.raises(UnknownProfile):
        resolve("libary", hub, store)
    with pytest.raises(UnknownLabel):
        resolve("library@production", hub, store)
    with pytest.raises(UnknownRevision):
        resolve("library@012345abcdef", hub, store)
    with StateDatabase.open(Settings(home=tmp_path / "other")) as database:
        other = PromptStore.over(database)
        database.home.state_db.unlink()
        database.home.state_db.mkdir()
        with pytest.raises(DatabaseUnreachable):
            resolve("library@production", hub, other)
        assert resolve("library", hub, other) == hub.get("library")


def test_a_name_with_a_nul_names_nothing():
    with pytest.raises(BadReference):
        Reference.parse("library@a\0b")
