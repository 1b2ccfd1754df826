"""Which batches would be made with another prompt now."""

from __future__ import annotations

import pytest
from judged_round import ROUND, SECOND_RUN, make_home
from sqlalchemy import update

from gateway.console.prompts.stale import stale_batches
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.store import PromptStore
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from store.tables import batches
from telemetry.manifest import PinnedShare, update_manifest

SPLIT = "club-judge@first:80,club-judge@second:20"


@pytest.fixture
def hub():
    return PromptHub.load()


@pytest.fixture
def home(tmp_path, hub):
    """A round that was judged with what the files say."""
    make_home(tmp_path / "home", stage_hash=hub.get("club-judge").stage_hash("critique"))
    return Home.of(Settings(home=tmp_path / "home"))


@pytest.fixture
def prompts(home):
    with StateDatabase.open(Settings(home=home.root)) as database:
        yield PromptStore.over(database)


def pin(prompts, named):
    pins = {"judge/critiques": {"profile": named}}
    prompts.database.write(lambda one: one.execute(update(batches).values(pins=pins)))


def names(home, hub, prompts, profile_id="club-judge"):
    return [(one.name, one.assets) for one in stale_batches(home, hub, prompts, profile_id)]


def test_a_batch_that_was_made_with_what_the_files_say_is_fresh(home, hub, prompts):
    assert names(home, hub, prompts) == []


def test_a_batch_whose_label_is_gone_is_stale_for_the_prompt_that_made_it_alone(home, hub, prompts):
    pin(prompts, "club-judge@gone")
    assert names(home, hub, prompts) == [(ROUND, ("judge/critiques",))]
    assert names(home, hub, prompts, "library") == []


def test_a_batch_that_is_pinned_to_another_prompt_since_is_stale_for_both(home, prompts, tmp_path):
    (tmp_path / "stern.yaml").write_text("id: stern\nextends: club-judge\ndescription: A stern judge.\n")
    hub = PromptHub.load(tmp_path)
    pin(prompts, "stern")
    assert names(home, hub, prompts) == names(home, hub, prompts, "stern") != []


def test_a_split_is_fresh_until_one_of_its_labels_moves(home, hub, prompts, tmp_path):
    profile = hub.get("club-judge")
    revision, _ = prompts.save(system_user(), hub, "club-judge", message="as shipped")
    for label in ("first", "second"):
        prompts.labels.move(system_user(), label, revision, why="-")
    pin(prompts, SPLIT)
    shares = [
        PinnedShare(
            reference=f"club-judge@{label}",
            percent=percent,
            profile_id="club-judge",
            profile_hash=profile.hash,
            stage_hash=profile.stage_hash("critique"),
            content={},
        )
        for label, percent in (("first", 80), ("second", 20))
    ]

    def split(manifest):
        pinned = manifest.profiles["judge/critiques"]
        manifest.profiles = {"judge/critiques": pinned.model_copy(update={"shares": shares})}

    update_manifest(home, SECOND_RUN, split)
    assert names(home, hub, prompts) == []

    (tmp_path / "club-judge.yaml").write_text(
        "id: club-judge\nstages: {critique: {parameters: {temperature: 0.9}}}\n"
    )
    other = PromptHub.load(tmp_path)
    warmer, _ = prompts.save(system_user(), other, "club-judge", message="warmer")
    prompts.labels.move(system_user(), "second", warmer, why="-")
    assert names(home, hub, prompts) == [(ROUND, ("judge/critiques",))]
