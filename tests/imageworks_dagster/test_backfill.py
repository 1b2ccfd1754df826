"""`imageworks backfill`: which batches a policy means, and what they cost, before anything is run."""

from __future__ import annotations

import json

import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo
from rich.console import Console

from imageworks_dagster.backfilling import StageCost, Took, due_batches, estimate
from imageworks_dagster.command.backfill import backfill_batches
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.batches import pin, publish


def test_time_is_by_what_is_in_flight_and_unknown_models_are_counted_apart():
    took = Took(measured=10, ms=2000, input_tokens=1000, output_tokens=50)
    stages = [StageCost("a", "m", 80, took), StageCost("b", "m", 3, took), StageCost("c", "n", 7, None)]

    found = estimate(stages, concurrency=8)

    assert (found.requests, found.unknown) == (90, 7)
    # Ten turns of eight, and one that is not full.
    assert found.seconds == 22
    assert (found.input_tokens, found.output_tokens) == (83_000, 4_150)
    assert estimate([], concurrency=8).seconds == 0


@pytest.fixture(scope="module")
def tagged(tmp_path_factory, open_platform):
    """A batch that was tagged and has one photo more since, and one that never ran."""
    place = tmp_path_factory.mktemp("backfill")
    for number in range(3):
        write_photo(place / "walk" / f"{number}.jpg", seed=number)
    write_photo(place / "harbor" / "a.jpg", seed=9)
    with open_platform(place) as platform:
        walk = platform.register("tagger", place / "walk")
        assert platform.run("tagger", walk).success
        platform.register("tagger", place / "harbor")
        write_photo(place / "walk" / "3.jpg", seed=3)
        yield platform


def due(platform, policy, **options):
    parts = platform.assembly()
    found = due_batches(platform.store, platform.settings, parts.registry, policy, **options)
    return {one.batch.name: {stage.asset: stage.requests for stage in one.stages} for one in found}


def each(count):
    return {f"tagger/{name}": count for name in ("captions", "keywords", "descriptions")}


def test_only_what_is_new_or_without_a_result_is_asked(tagged):
    assert due(tagged, "all") == {"harbor": each(1), "walk": each(1)}


def test_unfinished_are_those_that_never_ran_to_their_end(tagged):
    assert due(tagged, "unfinished") == {"harbor": each(1)}
    assert due(tagged, "unfinished", pipeline="judge") == {}


def test_none_has_failed(tagged):
    assert due(tagged, "failed") == {}


def test_a_request_takes_what_it_took_that_model_before(tagged):
    parts = tagged.assembly()
    (harbor, walk) = due_batches(tagged.store, tagged.settings, parts.registry, "all")
    for stage in (*harbor.stages, *walk.stages):
        assert stage.model.startswith("baseline-")
        assert stage.took is not None
        assert stage.took.measured == 3


def test_the_costs_are_told_and_nothing_is_run(tagged):
    console = Console(record=True, width=200)
    before = tagged.store.tables.pointers()

    assert backfill_batches(tagged.settings, "unfinished", console, pipeline=None, run=False, as_json=False)

    said = console.export_text()
    assert "tagger harbor: 1 photo, at most 1 asked about" in said
    assert "At most 3 requests" in said
    assert "imageworks backfill unfinished --run" in said
    assert tagged.store.tables.pointers() == before


def test_programs_get_the_costs_as_json(tagged):
    console = Console(record=True, width=200)
    backfill_batches(tagged.settings, "all", console, pipeline="tagger", run=False, as_json=True)
    told = json.loads(console.export_text())
    assert [one["batch"] for one in told["batches"]] == ["harbor", "walk"]
    assert told["requests"] == 6


def test_a_run_and_costs_for_programs_are_not_told_on_one_stream(tmp_path):
    said = imageworks(tmp_path, "backfill", "all", "--run", "--json")
    complaint(said, "give one of --json and --run", code=2)


@pytest.mark.slow
def test_what_a_promotion_made_stale_is_asked_anew_with_what_reads_it(tagged):
    prompts = PromptStore.over(tagged.store.database)
    home = tagged.settings.home

    def promote():
        profile = PromptHub.load(home / "prompts").get("library")
        prompts.revisions.keep(profile, author="ann", message="")
        revision = prompts.revisions.get("library", profile.hash)
        prompts.labels.move(Identity("ann"), "production", revision, why="Better")

    promote()
    asset = "tagger/keywords"
    assert tagged.run("tagger", "walk", config={asset: {"profile": "library@production"}}).success
    assert due(tagged, "stale") == {}
    (home / "prompts").mkdir(exist_ok=True)
    (home / "prompts" / "mine.yaml").write_text(
        "id: library\nstages:\n  keywords:\n    system: You choose keywords in Welsh.\n", encoding="utf-8"
    )
    promote()

    assert due(tagged, "stale") == {"walk": {**each(4), "tagger/captions": 0}}


@pytest.mark.slow
def test_a_batch_whose_choice_is_gone_is_told_and_the_others_are_run(tmp_path, open_platform):
    write_photo(tmp_path / "garden" / "a.jpg", seed=1)
    write_photo(tmp_path / "orchard" / "a.jpg", seed=2)
    console = Console(record=True, width=200)
    with open_platform(tmp_path) as platform:
        garden, orchard = (platform.register("tagger", tmp_path / name) for name in ("garden", "orchard"))
        pin(platform.store.database, "tagger", garden, "tagger/captions", profile="gone-for-good")

        succeeded = backfill_batches(
            platform.settings, "all", console, pipeline=None, run=True, as_json=False
        )

        assert platform.store.tables.current("tagger/metadata", orchard) is not None
        assert platform.store.tables.current("tagger/photos", garden) is None
    assert not succeeded
    assert "gone-for-good" in console.export_text()


def test_one_that_cannot_be_run_is_told_and_a_published_one_left_alone(tagged):
    pin(tagged.store.database, "tagger", "harbor", "tagger/captions", model="no-such-model")
    parts = tagged.assembly()
    (harbor, _) = due_batches(tagged.store, tagged.settings, parts.registry, "all")
    assert "no-such-model" in harbor.problem

    publish(tagged.store.database, "tagger", "harbor", by="ann")
    assert set(due(tagged, "all")) == {"walk"}
