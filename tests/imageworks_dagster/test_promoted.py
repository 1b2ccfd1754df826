"""Batches that ask with a kept revision: what a promotion makes stale, and what an edit of the files does not."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from imageworks_dagster.pipelines import TAGGER
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore

pytestmark = pytest.mark.slow

ANN = Identity("ann")
KEYWORDS = "tagger/keywords"
SENSOR = "observe_prompts_and_models_sensor"
PINNED = {KEYWORDS: {"profile": "library@production"}}
EDITED = """
id: library
stages:
  keywords:
    system: You choose keywords, and you choose them in Welsh.
"""


class Prompts:
    """An author at their files, with the right to promote."""

    def __init__(self, platform):
        self.folder = platform.settings.home / "prompts"
        self.kept = PromptStore.over(platform.store.database)

    def edit(self, text=EDITED):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "mine.yaml").write_text(text, encoding="utf-8")

    def promote(self, label="production"):
        profile = PromptHub.load(self.folder).get("library")
        self.kept.revisions.keep(profile, author="ann", message="")
        revision = self.kept.revisions.get("library", profile.hash)
        self.kept.labels.move(ANN, label, revision, why="Better")
        return profile


@pytest.fixture
def platform(platform_on_disk):
    return platform_on_disk


@pytest.fixture
def prompts(platform):
    platform.settings.home.mkdir(parents=True, exist_ok=True)
    return Prompts(platform)


@pytest.fixture
def batch(platform, prompts, shoot_folder):
    """A shoot whose keywords ask with what is promoted, tagged once."""
    prompts.promote()
    name = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", name, config=PINNED).success
    platform.tick(SENSOR)
    return name


def stale(platform, batch):
    resolver = CachingStaleStatusResolver(
        platform.instance,
        platform.definitions().resolve_asset_graph(),
        LoadingContextForTest(platform.instance),
    )
    assets = [stage.asset for stage in TAGGER.stages]
    return {
        asset
        for asset in assets
        if resolver.get_status(dg.AssetKey(asset.split("/")), partition_key=batch) is not StaleStatus.FRESH
    }


def test_a_run_keeps_what_it_asks_with_as_revisions(platform, prompts, shoot_folder):
    batch = platform.register("tagger", shoot_folder)
    result = platform.run("tagger", batch)
    (revision,) = prompts.kept.revisions.history("library")
    assert revision.hash == PromptHub.load().get("library").hash
    assert revision.message == f"Used by run {result.run_id}."
    platform.run("tagger", batch)
    assert len(prompts.kept.revisions.history("library")) == 1


def test_rows_and_manifest_name_the_revision_that_answered(platform, prompts, shoot_folder):
    promoted = prompts.promote()
    prompts.edit()
    batch = platform.register("tagger", shoot_folder)
    result = platform.run("tagger", batch, config=PINNED)
    pinned = platform.manifest(result).profiles[KEYWORDS]
    assert (pinned.reference, pinned.profile_hash) == ("library@production", promoted.hash)
    assert {row["stage_hash"] for row in platform.rows(KEYWORDS, batch)} == {promoted.stage_hash("keywords")}


def test_an_edit_of_the_files_reaches_no_batch_that_asks_with_what_is_promoted(platform, prompts, batch):
    assert stale(platform, batch) == set()
    prompts.edit()
    again = platform.run("tagger", batch)
    assert KEYWORDS not in platform.asked(again)


def test_a_promotion_shows_what_it_makes_stale_and_the_next_run_asks_with_it(platform, prompts, batch):
    prompts.edit()
    promoted = prompts.promote()
    platform.tick(SENSOR)
    assert {KEYWORDS, "tagger/metadata"} <= stale(platform, batch)
    assert "tagger/captions" not in stale(platform, batch)

    again = platform.run("tagger", batch)
    assert set(platform.asked(again)) == {KEYWORDS}
    assert {row["stage_hash"] for row in platform.rows(KEYWORDS, batch)} == {promoted.stage_hash("keywords")}
    platform.tick(SENSOR)
    assert stale(platform, batch) == set()


def test_a_rollback_finds_the_answers_from_before(platform, prompts, batch):
    prompts.edit()
    prompts.promote()
    platform.run("tagger", batch)
    prompts.kept.labels.roll_back(ANN, "library", "production", why="Nobody reads Welsh")
    again = platform.run("tagger", batch)
    assert platform.asked(again) == {}


def test_a_batch_goes_back_to_the_files_when_told(platform, prompts, batch):
    result = platform.run("tagger", batch, config={KEYWORDS: {"profile": "default"}})
    assert platform.manifest(result).profiles[KEYWORDS].reference == ""
    platform.tick(SENSOR)
    assert stale(platform, batch) == set()


def test_a_label_that_was_taken_away_fails_the_next_run_in_words_and_loses_nothing(platform, prompts, batch):
    before = platform.rows(KEYWORDS, batch)
    prompts.kept.labels.remove(ANN, "library", "production", why="")
    result = platform.run("tagger", batch)
    assert not result.success
    told = [
        event.step_failure_data.user_failure_data.description for event in result.get_step_failure_events()
    ]
    assert any("'library' has no label 'production'" in words for words in told)
    assert platform.rows(KEYWORDS, batch) == before
