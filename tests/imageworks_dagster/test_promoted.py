"""Batches that ask with a kept revision: what a promotion makes stale, and what an edit of the files does not."""

import os
import shutil
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from rich.console import Console
from vllm_double import VllmDouble

from imageworks_dagster.assets.nodes import changed_observations, node_facts, observe_now
from imageworks_dagster.checking import Checked, prompt_tested
from imageworks_dagster.command.status import print_status
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.progress import Silent
from imageworks_dagster.prompt_facts import MOST_CHARACTERS
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.batches import publish

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
    prompts.kept.labels.remove(ANN, "library", "production", why="Done")
    result = platform.run("tagger", batch)
    assert not result.success
    told = [
        event.step_failure_data.user_failure_data.description for event in result.get_step_failure_events()
    ]
    assert any("'library' has no label 'production'" in words for words in told)
    assert platform.rows(KEYWORDS, batch) == before


PROMOTIONS = "promotion_sensor"
LABELED = {
    "tagger/captions": {"profile": "library@production"},
    KEYWORDS: {"profile": "library@production"},
}
BOTH = """
id: library
stages:
  caption: {system: You write captions in Welsh.}
  keywords: {system: You choose keywords in Welsh.}
"""


def python(platform, *arguments):
    """A process of its own, with this platform's home."""
    environment = {**os.environ, "IMAGEWORKS_HOME": str(platform.settings.home)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class AfterCaptions(Silent):
    """Does something between two stages of a run."""

    def __init__(self, act):
        self.act = act

    def finished(self, stage):
        if stage == "tagger/captions" and self.act is not None:
            act, self.act = self.act, None
            act()


def test_a_promotion_by_another_process_reaches_no_run_under_way_and_the_next_one(
    platform, prompts, shoot_folder
):
    first = prompts.promote()
    batch = platform.register("tagger", shoot_folder)
    prompts.edit(BOTH)
    promoted = PromptHub.load(prompts.folder).get("library")

    def promote():
        why = ["--why", "Welsh", "--override"]
        python(platform, "prompt_hub", "label", "production", "library", *why)
        assert prompts.kept.labels.at("library", "production").hash == promoted.hash

    platform.overrides = {"progress": AfterCaptions(promote)}
    under_way = platform.run("tagger", batch, config=LABELED)
    assert under_way.success
    for asset, stage in (("tagger/captions", "caption"), (KEYWORDS, "keywords")):
        assert platform.manifest(under_way).profiles[asset].profile_hash == first.hash
        assert {row["stage_hash"] for row in platform.rows(asset, batch)} == {first.stage_hash(stage)}

    again = "from imageworks_dagster.command import main; main()"
    environment = {**os.environ, "IMAGEWORKS_HOME": str(platform.settings.home)}
    subprocess.run(
        [sys.executable, "-c", again, "tag", str(shoot_folder), "--batch", batch],
        env=environment,
        capture_output=True,
        check=True,
    )
    for asset, stage in (("tagger/captions", "caption"), (KEYWORDS, "keywords")):
        assert {row["stage_hash"] for row in platform.rows(asset, batch)} == {promoted.stage_hash(stage)}


def test_a_promotion_is_offered_once_in_the_log_and_as_long_as_it_is_stale_in_the_status(
    platform, prompts, batch, caplog
):
    assert "no promotion has made a batch stale" in platform.tick(PROMOTIONS).skip_message
    prompts.edit()
    prompts.promote()
    offered = platform.tick(PROMOTIONS)
    assert offered.skip_message == f"stale by a promotion: tagger {batch}: {KEYWORDS}"
    assert not offered.run_requests
    again = platform.tick(PROMOTIONS, cursor=offered.cursor)
    assert (again.skip_message, again.cursor) == (offered.skip_message, offered.cursor)

    console = Console(record=True, width=200)
    print_status(platform.settings, console)
    assert f"{KEYWORDS} stale by a promotion. Ask anew with: imageworks tag" in console.export_text()

    assert set(platform.asked(platform.run("tagger", batch))) == {KEYWORDS}
    assert "no promotion" in platform.tick(PROMOTIONS, cursor=again.cursor).skip_message


def test_a_promotion_is_started_once_even_where_the_cursor_is_lost(platform, prompts, batch):
    prompts.edit()
    prompts.promote()
    offered = platform.tick(PROMOTIONS)
    platform.settings = platform.settings.model_copy(update={"promotion_runs": "start"})
    begun = platform.tick(PROMOTIONS, cursor=offered.cursor)
    (request,) = begun.run_requests
    assert (request.partition_key, request.job_name) == (batch, "tagger")
    after = platform.tick(PROMOTIONS, cursor=begun.cursor)
    assert (after.run_requests, after.skip_message) == (
        [],
        f"run already, and stale still: tagger {batch}: {KEYWORDS}",
    )
    # A daemon that was killed before it kept the cursor asks for the same key, which Dagster runs once.
    assert [one.run_key for one in platform.tick(PROMOTIONS).run_requests] == [request.run_key]


def test_no_more_runs_are_started_at_a_look_than_the_setting_says(platform, prompts, batch, tmp_path):
    other = tmp_path / "Another shoot"
    shutil.copytree(tmp_path / "Harbor 2026", other)
    second = platform.register("tagger", other)
    platform.run("tagger", second, config=PINNED)
    prompts.edit()
    prompts.promote()
    platform.settings = platform.settings.model_copy(
        update={"promotion_runs": "start", "promotion_runs_a_tick": 1}
    )
    first_look = platform.tick(PROMOTIONS)
    second_look = platform.tick(PROMOTIONS, cursor=first_look.cursor)
    begun = [one.partition_key for look in (first_look, second_look) for one in look.run_requests]
    assert (len(first_look.run_requests), sorted(begun)) == (1, sorted([batch, second]))


def test_a_published_batch_is_neither_offered_nor_started(platform, prompts, batch):
    prompts.edit()
    prompts.promote()
    publish(platform.store.database, "tagger", batch, by="ann")
    assert "no promotion" in platform.tick(PROMOTIONS).skip_message


def test_a_prompts_node_says_its_labels_its_last_tests_and_what_changed(platform, prompts, batch):
    prompts.edit()
    promoted = prompts.promote()
    python(platform, "prompt_hub", "test", "library", "--set", "prompt")
    parts = platform.assembly()
    facts = {
        name: value.text
        for name, value in node_facts("prompts/library/keywords", parts.hub, platform.settings).items()
    }
    assert (facts["labels"], facts["revision"]) == ("production", promoted.hash)
    assert facts["last_tests"].startswith("prompt: ")
    assert facts["change"].startswith("stages.keywords.system\n")
    assert len(facts["change"]) <= MOST_CHARACTERS
    assert node_facts("models/baseline-tagger", parts.hub, platform.settings) == {}
    told = changed_observations(platform.instance, parts, hub=parts.hub, registry=parts.registry)
    by_key = {one.asset_key.to_user_string(): one.metadata for one in told}
    assert by_key["prompts/library/keywords"]["labels"].text == "production"


def test_a_label_that_moved_is_told_although_no_prompt_changed(platform, prompts):
    parts = platform.assembly()
    observe_now(platform.instance, parts)

    def told():
        changed = changed_observations(platform.instance, parts, hub=parts.hub, registry=parts.registry)
        return {one.asset_key.to_user_string(): one.metadata["labels"].text for one in changed}

    assert told() == {}
    prompts.promote()
    assert set(told().values()) == {"production"}
    assert "prompts/library/keywords" in told()
    observe_now(platform.instance, parts)
    assert told() == {}


def test_a_promoted_node_says_the_same_of_what_the_batch_asks_with(platform, prompts, batch):
    prompts.edit()
    promoted = prompts.promote()
    (told,) = [one for one in platform.tick(SENSOR).asset_events if one.partition == batch]
    assert told.asset_key.to_user_string() == "promoted/tagger/keywords"
    assert told.metadata["revision"].text == promoted.hash
    assert "Welsh" in told.metadata["change"].text


def test_a_prompt_that_nobody_reads_needs_no_test(platform, batch):
    outcome = prompt_tested(Checked.open(platform.settings, TAGGER, KEYWORDS, batch))
    assert outcome.passed
    assert "answers by rule and reads no prompt" in outcome.description


REGISTRY = """
models:
  near-vlm:
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
"""
CASES = """
profile: library
sets:
  prompt:
    mode: static
    tests:
      - description: it is about a photograph
        stage: caption
        vars: &vars {signals: soft, existing_keywords: [], folder_words: []}
        assert: [{type: contains, value: photograph}]
  form:
    mode: live
    tests:
      - description: it is a caption
        stage: caption
        vars: *vars
        photos: [harbor.jpg]
        assert: [{type: schema}]
  sense:
    mode: static
    tests:
      - description: what another stage is asked is no matter of this one
        stage: keywords
        vars: {signals: soft, existing_keywords: [], folder_words: [], caption: A harbor, max_keywords: 9}
        assert: [{type: contains, value: A harbor}]
"""


def test_a_table_warns_of_a_prompt_that_was_not_tested_with_its_model_and_says_the_commands(
    platform, prompts, shoot_folder
):
    tests = prompts.folder / "tests"
    (tests / "photos").mkdir(parents=True)
    (tests / "library.yaml").write_text(CASES, encoding="utf-8")
    shutil.copy(next(shoot_folder.iterdir()), tests / "photos" / "harbor.jpg")
    with VllmDouble() as server:
        text = REGISTRY.format(url=server.url)
        (platform.settings.home / "registry.yaml").write_text(text, encoding="utf-8")
        promoted = prompts.promote()
        batch = platform.register("tagger", shoot_folder)
        config = {"tagger/captions": {"profile": "library@production", "model": "near-vlm"}}
        result = platform.run("tagger", batch, config=config, only=["tagger/photos", "tagger/captions"])
        assert result.success

        def tested():
            return prompt_tested(Checked.open(platform.settings, TAGGER, "tagger/captions", batch))

        before = tested()
        assert (before.passed, before.grave, before.metadata["missing"]) == (False, False, 2)
        reference = f"library@{promoted.hash[:12]}"
        live = f"imageworks prompts test {reference} --live --model near-vlm --set form"
        static = f"python -m prompt_hub test {reference} --set prompt"
        assert f"`{live}`" in before.description
        assert f"`{static}`" in before.description
        assert len(before.description) < 300
        python(platform, *static.split()[2:])
        console = "import sys; from imageworks_dagster.command import main; main()"
        environment = {**os.environ, "IMAGEWORKS_HOME": str(platform.settings.home)}
        subprocess.run(
            [sys.executable, "-c", console, *live.split()[1:]],
            env=environment,
            capture_output=True,
            check=True,
        )
        assert tested().passed
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "prompt_tested"]
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
