"""A stage in parts: the same table, nothing asked twice, and what is missing is made by the last step."""

from __future__ import annotations

import dagster as dg
import judging_run
import pytest
from vllm_double import Http, VllmDouble

from imageworks_dagster.command.forgetting import plan_forgetting
from imageworks_dagster.errors import BatchTaken
from imageworks_dagster.judging import critiques
from imageworks_dagster.opened import close_stores
from imageworks_dagster.owning import own
from imageworks_dagster.parts import PartFiles, forget_parts
from imageworks_dagster.pipelines import PIPELINES
from store.errors import PublishConflict
from store.locking import locked

CRITIQUES = "judge/critiques"
BY_ENTRY = {stage.asset for pipeline in PIPELINES.values() for stage in pipeline.stages if stage.by_entry}
REGISTRY = """
models:
  near-vlm:
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 256}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
roles: {{judge: near-vlm, pairwise: near-vlm}}
"""


QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def in_parts(platform, photos=2):
    platform.settings = platform.settings.model_copy(update={"part_photos": photos})
    return platform


def steps_of(result, asset):
    op = asset.replace("/", "__")
    started = [event.step_key for event in result.all_events if event.is_step_start]
    return [step.removeprefix(f"{op}.") for step in started if step.startswith(f"{op}.")]


def versions(platform, pipeline, batch):
    stages = PIPELINES[pipeline].stages
    return {stage.asset: platform.store.tables.current(stage.asset, batch).data_version for stage in stages}


def metadata_of(result, asset):
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() == asset
    ]
    return event.materialization


@pytest.fixture
def vllm(platform):
    with VllmDouble() as double:
        home = platform.store.home.root
        (home / "registry.yaml").write_text(REGISTRY.format(url=double.url), encoding="utf-8")
        yield double


@pytest.mark.parametrize("pipeline", ["judge", "tagger"])
def test_tables_are_those_of_one_step_and_what_is_told_of_them_too(
    platform, pipeline, entries_folder, shoot_folder, tmp_path
):
    folder = entries_folder if pipeline == "judge" else shoot_folder
    batch = platform.register(pipeline, folder)
    whole = platform.run(pipeline, batch)
    expected, told = versions(platform, pipeline, batch), platform.manifest(whole)
    close_stores()

    platform.settings = platform.settings.model_copy(update={"home": tmp_path / "another"})
    in_parts(platform).register(pipeline, folder)
    divided = platform.run(pipeline, batch)

    assert divided.success
    assert versions(platform, pipeline, batch) == expected
    assert platform.asked(divided) == {
        asset: stage.asked for asset, stage in told.stages.items() if stage.asked
    }
    assert platform.manifest(divided).stages.keys() == told.stages.keys()
    for asset in BY_ENTRY & expected.keys():
        assert steps_of(divided, asset) == [
            "divide",
            *(f"part[{number}_of_3]" for number in (1, 2, 3)),
            "gather",
        ]
        one, other = metadata_of(whole, asset), metadata_of(divided, asset)
        assert one.metadata.keys() | {"parts"} == other.metadata.keys()
        assert {name for name in one.tags if not name.startswith("dagster/input_event_pointer")} == {
            name for name in other.tags if not name.startswith("dagster/input_event_pointer")
        }
    parts = platform.store.home.parts
    assert list(parts.iterdir()) == []


def test_a_batch_that_is_no_larger_than_a_part_is_worked_by_the_last_step(platform, entries_folder):
    batch = in_parts(platform, 6).register("judge", entries_folder)

    result = platform.run("judge", batch)

    assert result.success
    assert steps_of(result, CRITIQUES) == ["divide", "gather"]
    assert len(platform.rows(CRITIQUES, batch)) == 6
    assert not platform.store.home.parts.exists()


@pytest.mark.slow
def test_asked_anew_each_photo_is_asked_once(platform, vllm, entries_folder):
    batch = in_parts(platform).register("judge", entries_folder)
    platform.run("judge", batch)
    before = len(vllm.history)

    result = platform.run("judge", batch, only=[CRITIQUES], config={CRITIQUES: {"fresh": True}})

    assert platform.asked(result) == {CRITIQUES: 6}
    assert len(vllm.history) - before == 6
    assert {row["recalled"] for row in platform.rows(CRITIQUES, batch)} == {False}


def test_an_entry_that_fails_in_its_part_is_a_row_and_is_not_asked_again_by_the_last_step(
    platform, vllm, entries_folder
):
    platform.settings = platform.settings.model_copy(update={"attempts": 1})
    vllm.faults.append(Http(400))
    batch = in_parts(platform).register("judge", entries_folder)

    result = platform.run(
        "judge", batch, only=["judge/entries", "judge/compliance", "judge/signals", CRITIQUES]
    )

    assert sum(row["error_class"] is not None for row in platform.rows(CRITIQUES, batch)) == 1
    assert metadata_of(result, CRITIQUES).metadata["without_result"].value == 1
    assert len(vllm.history) == 6


@pytest.mark.slow
def test_a_part_that_is_stopped_costs_the_others_nothing_and_the_next_run_asks_for_it_alone(
    platform, entries_folder, monkeypatch
):
    batch = in_parts(platform).register("judge", entries_folder)
    critique = critiques.critique_entries

    def stopped_in_the_second(stage):
        outcome = critique(stage)
        if stage.part and any("Title 2" in entry for entry in stage.part):
            raise RuntimeError("killed")
        return outcome

    monkeypatch.setattr(critiques, "critique_entries", stopped_in_the_second)
    first = platform.run("judge", batch)
    assert not first.success
    assert platform.manifest(first).status == "failed"
    assert platform.store.tables.current(CRITIQUES, batch) is None
    assert len(list(platform.store.home.parts.rglob("*.parquet"))) == 2
    monkeypatch.undo()

    second = platform.run("judge", batch)

    assert second.success
    # The one that was stopped had its answers, and did not come to tell them.
    assert platform.manifest(second).stages[CRITIQUES].asked == 0
    assert platform.manifest(second).stages[CRITIQUES].recalled == 6
    assert list(platform.store.home.parts.iterdir()) == []


@pytest.mark.timeout(200)
@pytest.mark.slow
def test_a_run_that_is_tried_again_from_a_failed_part_in_one_process_waits_for_nobody(
    platform, entries_folder, monkeypatch
):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))
    monkeypatch.setenv("IMAGEWORKS_PART_PHOTOS", "2")
    batch = in_parts(platform).register("judge", entries_folder)
    critique = critiques.critique_entries

    def failing_in_the_second(stage):
        if stage.part and any("Title 2" in entry for entry in stage.part):
            raise RuntimeError("killed")
        return critique(stage)

    job = dg.reconstructable(judging_run.judge_job)
    options = {"instance": platform.instance, "raise_on_error": False, "run_config": {"loggers": QUIET}}
    monkeypatch.setattr(critiques, "critique_entries", failing_in_the_second)
    with dg.execute_job(job, tags={"dagster/partition": batch}, **options) as first:
        assert not first.success
    monkeypatch.setattr(critiques, "critique_entries", critique)

    again = dg.ReexecutionOptions.from_failure(first.run_id, platform.instance)
    tags = {"dagster/partition": batch}
    with dg.execute_job(job, reexecution_options=again, tags=tags, **options) as second:
        assert second.success
        assert steps_of(second, CRITIQUES) == ["part[2_of_3]", "gather"]
    assert len(platform.rows(CRITIQUES, batch)) == 6


@pytest.mark.slow
def test_what_is_gone_of_parts_is_made_by_the_last_step_without_asking_again(
    platform, entries_folder, monkeypatch
):
    batch = in_parts(platform).register("judge", entries_folder)
    read = PartFiles.read
    monkeypatch.setattr(PartFiles, "read", lambda self, name: None if name == "2_of_3" else read(self, name))

    result = platform.run("judge", batch)

    assert result.success
    stage = platform.manifest(result).stages[CRITIQUES]
    assert (stage.asked, stage.recalled) == (4, 2)
    assert [row["recalled"] for row in platform.rows(CRITIQUES, batch)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.slow
def test_a_run_that_loses_its_plan_makes_it_again_and_comes_to_the_same(
    platform, entries_folder, monkeypatch
):
    batch = in_parts(platform).register("judge", entries_folder)
    critique = critiques.critique_entries
    worked = []

    def losing(stage):
        if not worked:
            forget_parts(stage.store.home)
        worked.append(stage.part)
        return critique(stage)

    monkeypatch.setattr(critiques, "critique_entries", losing)

    result = platform.run("judge", batch)

    assert result.success
    assert len(platform.rows(CRITIQUES, batch)) == 6
    assert [len(part) for part in worked] == [2, 2, 2, 0]


@pytest.mark.slow
def test_a_table_that_was_published_while_parts_were_at_work_stays(platform, entries_folder, monkeypatch):
    batch = in_parts(platform).register("judge", entries_folder)
    platform.run("judge", batch)
    critique = critiques.critique_entries
    published = []

    def meanwhile(stage):
        outcome = critique(stage)
        if not published:
            published.append(
                stage.store.tables.publish(
                    asset=CRITIQUES,
                    batch=batch,
                    run_id="meanwhile",
                    table=stage.shape.build(
                        [{**row, "run_id": "meanwhile"} for row in stage.read(CRITIQUES)]
                    ),
                    expected=stage.store.tables.current(CRITIQUES, batch),
                )
            )
        return outcome

    monkeypatch.setattr(critiques, "critique_entries", meanwhile)
    result = platform.run("judge", batch, only=[CRITIQUES])

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "judge__critiques.gather"
    assert PublishConflict.__name__ in failure.step_failure_data.error_display_string
    assert platform.store.tables.current(CRITIQUES, batch).run_id == "meanwhile"


def begun(platform):
    """Another run, under way."""
    job = platform.definitions().resolve_job_def("judge")
    return platform.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)


def take(platform, batch, run):
    own(platform.store.home, "judge", batch, run_id=run.run_id, began=False, instance=platform.instance)


def failures(result):
    return {
        event.step_key: event.step_failure_data.error_display_string
        for event in result.all_events
        if event.is_step_failure
    }


@pytest.mark.slow
def test_a_batch_of_a_run_under_way_is_divided_by_no_other_until_that_has_ended(platform, entries_folder):
    batch = in_parts(platform).register("judge", entries_folder)
    other = begun(platform)
    take(platform, batch, other)

    (failed,) = failures(
        platform.run("judge", batch, only=["judge/entries", "judge/compliance", "judge/signals"])
    ).items()
    assert failed[0] == "judge__entries"
    assert f"Batch {batch!r} is being worked on by run {other.run_id}" in failed[1]

    platform.instance.report_run_failed(other)
    assert platform.run("judge", batch).success


@pytest.mark.slow
def test_a_run_that_lost_its_batch_to_another_asks_nothing_more(platform, vllm, entries_folder, monkeypatch):
    batch = in_parts(platform).register("judge", entries_folder)
    other = begun(platform)
    critique = critiques.critique_entries

    def losing(stage):
        outcome = critique(stage)
        # As Dagster does with a run of which nothing is heard any longer; then another begins.
        (platform.store.home.locks / f"judge-{batch}.run").write_text("", encoding="ascii")
        take(platform, batch, other)
        return outcome

    monkeypatch.setattr(critiques, "critique_entries", losing)
    told = failures(platform.run("judge", batch))

    assert set(told) == {"judge__critiques.part[2_of_3]", "judge__critiques.part[3_of_3]"}
    assert all(f"is being worked on by run {other.run_id}" in words for words in told.values())
    assert len(vllm.history) == 2
    assert platform.store.tables.current(CRITIQUES, batch) is None


@pytest.mark.slow
def test_a_photo_is_not_forgotten_while_a_run_has_it_in_a_part_and_is_gone_when_it_was(
    platform, entries_folder, monkeypatch
):
    batch = in_parts(platform).register("judge", entries_folder)
    photo = entries_folder / "Title 1 by Member 01.jpg"
    critique, refused = critiques.critique_entries, []

    def forgetting(stage):
        with pytest.raises(BatchTaken, match="nothing was removed") as told:
            plan_forgetting(platform.settings, photo).carry_out(platform.instance)
        refused.append(str(told.value))
        return critique(stage)

    monkeypatch.setattr(critiques, "critique_entries", forgetting)
    result = platform.run("judge", batch)

    assert result.success
    assert len(refused) == 4
    assert all(f"Batch {batch!r} is being worked on by run {result.run_id}" in words for words in refused)
    assert "1 photo forgotten" in plan_forgetting(platform.settings, photo).carry_out(platform.instance)
    assert len(platform.rows(CRITIQUES, batch)) == 5


@pytest.mark.slow
def test_a_photo_of_the_first_run_of_a_batch_is_not_forgotten_while_another_process_has_the_batch(
    platform, entries_folder
):
    batch = platform.register("judge", entries_folder)
    home = platform.store.home
    plan = plan_forgetting(platform.settings, entries_folder / "Title 1 by Member 01.jpg")

    with (
        locked(home.locks / f"judge-{batch}.lock", shared=True),
        pytest.raises(BatchTaken, match=f"Batch {batch!r} is being worked on by"),
    ):
        plan.carry_out(platform.instance)

    assert "1 photo forgotten" in plan.carry_out(platform.instance)


@pytest.mark.slow
def test_a_row_that_carries_the_answer_of_a_photo_that_is_gone_is_asked_for_by_the_last_step(
    platform, shoot_folder, monkeypatch
):
    batch = in_parts(platform).register("tagger", shoot_folder)
    read = PartFiles.read

    def of_a_forgotten_one(self, name):
        kept = read(self, name)
        if kept is not None and "shared_from" in kept[0][0]:
            kept[0][0]["shared_from"] = f"{batch}/forgotten.jpg"
        return kept

    monkeypatch.setattr(PartFiles, "read", of_a_forgotten_one)
    assert platform.run("tagger", batch).success

    rows = platform.rows("tagger/captions", batch)
    assert len(rows) == 5
    assert {row["shared_from"] for row in rows} == {None}


@pytest.mark.slow
def test_forgetting_a_photo_takes_what_parts_have_of_it(platform, entries_folder, monkeypatch):
    batch = in_parts(platform).register("judge", entries_folder)

    def killed(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr("imageworks_dagster.part_staging.end_stage", killed)
    platform.run("judge", batch)
    parts = platform.store.home.parts
    assert list(parts.rglob("*.parquet"))

    plan_forgetting(platform.settings, entries_folder / "Title 1 by Member 01.jpg").carry_out(
        platform.instance
    )

    assert not parts.exists()
