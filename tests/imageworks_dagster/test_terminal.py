"""The command's lines, as a person reads them."""

import io

import pytest
from rich.console import Console
from rich.progress import Task

from imageworks_dagster.command.terminal import (
    RateColumn,
    TerminalProgress,
    asked_line,
    prompt_lines,
    run_lines,
)
from imageworks_dagster.progress import StageProgress
from telemetry.manifest import PinnedJudge, PinnedModel, PinnedProfile, PinnedShare, RunManifest, StageSummary


@pytest.mark.parametrize(
    ("asked", "recalled", "line"),
    [
        (1, 0, "tiny: 1 request asked."),
        (2, 1, "tiny: 2 requests asked, 1 answer kept from before."),
        (0, 1, "No model was asked: the one answer of tiny was kept from before."),
        (0, 3, "No model was asked: all 3 answers of tiny were kept from before."),
        (0, 0, "There was nothing to ask a model."),
    ],
)
def test_what_was_asked_is_one_sentence_of_right_grammar(asked, recalled, line):
    manifest = RunManifest(
        run_id="r1",
        pipeline="judge",
        models={"judge/critiques": PinnedModel(model="tiny", model_revision="1")},
        stages={"judge/critiques": StageSummary(asked=asked, recalled=recalled)},
    )

    assert asked_line(manifest) == line


def test_of_several_judges_every_model_that_was_asked_is_named():
    near, far = (PinnedModel(model=name, model_revision="1") for name in ("near-vlm", "far-vlm"))
    judges = [
        PinnedJudge(judge=one.model, profile=pinned("critique", "ab"), model=one) for one in (near, far)
    ]
    manifest = RunManifest(
        run_id="r1",
        pipeline="judge",
        models={"judge/critiques": near},
        judges={"judge/critiques": judges},
        stages={"judge/critiques": StageSummary(asked=4)},
    )
    assert asked_line(manifest) == "far-vlm, near-vlm: 4 requests asked."


def test_a_playoffs_rows_are_told_as_the_pairs_that_people_count():
    stages = {"judge/playoff": StageSummary(entries=24, ok=24, asked=24)}
    manifest = RunManifest(run_id="r1", pipeline="judge", batch="spring", stages=stages)

    assert list(run_lines(manifest))[-1].strip() == "12 pairs, each compared in both orders: 24 questions"


def pinned(stage, profile_hash, **how):
    return PinnedProfile(
        profile_id="library",
        profile_stage=stage,
        profile_hash=profile_hash * 32,
        stage_hash="s",
        content={},
        **how,
    )


def lines_of(*profiles, provider="vllm"):
    model = PinnedModel(model="tiny", model_revision="1", deployments=[{"provider": provider}])
    assets = {f"tagger/{one.profile_stage}": one for one in profiles}
    manifest = RunManifest(
        run_id="r1", pipeline="tagger", profiles=assets, models=dict.fromkeys(assets, model)
    )
    return list(prompt_lines(manifest))


def test_the_prompt_that_was_asked_with_is_named_by_its_hash():
    files = [pinned("caption", "ab"), pinned("keywords", "ab")]
    assert lines_of(*files) == ["Prompt: library@abababababab."]
    label = pinned("caption", "cd", reference="library@production")
    assert lines_of(label, files[1]) == [
        "Prompt for caption: library@production, which is library@cdcdcdcdcdcd.",
        "Prompt for keywords: library@abababababab.",
    ]
    assert lines_of(*files, provider="embedded") == []


def test_the_prompts_of_a_split_are_all_named_with_their_shares():
    shares = [
        PinnedShare(
            reference=f"library@{name}",
            percent=50,
            profile_id="library",
            profile_hash=profile_hash * 32,
            stage_hash="s",
            content={},
        )
        for name, profile_hash in (("production", "ab"), ("staging", "cd"))
    ]
    (line,) = lines_of(pinned("caption", "ab", shares=shares))
    assert line.startswith(
        "Prompt: 50 % library@production, which is library@abababababab and 50 % library@staging"
    )


@pytest.fixture
def shown():
    """What the terminal shows in the end of a progress, line by line."""

    def show(work):
        console = Console(file=io.StringIO(), width=80)
        with TerminalProgress(console) as progress:
            work(progress)
        return console.file.getvalue().strip().splitlines()

    return show


def test_a_stage_that_failed_stops_where_it_was(shown):
    def work(progress):
        progress.started("judge/critiques", 6)
        progress.stopped("judge/critiques")

    (line,) = shown(work)

    assert line.split() == ["✗", "judge/critiques", "0/6", "0:00:00", "stopped"]


def test_photos_that_are_gone_through_twice_are_counted_once(shown):
    def work(progress):
        stage = StageProgress("tagger/photos", 0, progress, log=lambda _line: None)
        for begin in (stage.expect, stage.begin_again):
            begin(2)
            stage.advance()
            stage.advance()
        progress.finished("tagger/photos")

    (line,) = shown(work)

    assert "2/2" in line


def test_a_stage_that_failed_on_the_way_says_how_far_it_came_and_what_had_failed(shown):
    def work(progress):
        progress.started("judge/critiques", 6)
        progress.advanced("judge/critiques", 3, 1)
        progress.stopped("judge/critiques")

    (line,) = shown(work)

    assert " 3/6 " in line
    assert line.rstrip().endswith("1 failed, stopped")


def test_a_stage_that_ended_is_complete_even_where_there_was_nothing_to_do(shown):
    def work(progress):
        for stage, total in (("judge/entries", 6), ("judge/playoff", 0)):
            progress.started(stage, total)
            progress.advanced(stage, total, 0)
            progress.finished(stage)

    entries, playoff = shown(work)

    assert " 6/6 " in entries
    assert " 0/0 " in playoff
    assert "left" not in entries + playoff


@pytest.mark.parametrize(("seconds", "rate"), [(0.0002, ""), (0.9, ""), (2.0, "3.0/s")])
def test_a_rate_is_shown_only_for_what_took_time(seconds, rate):
    task = Task(0, "judge/entries", 6, 6, _get_time=lambda: seconds)
    task.start_time = 0.0

    assert RateColumn().render(task).plain == rate


@pytest.mark.slow
def test_a_stage_that_a_run_cannot_do_is_stopped_and_not_finished(platform, entries_folder):
    told = []

    class Told:
        def started(self, stage, total):
            """Say nothing."""

        def advanced(self, stage, done, failed):
            """Say nothing."""

        def finished(self, stage):
            told.append(("finished", stage))

        def stopped(self, stage):
            told.append(("stopped", stage))

    platform.overrides["progress"] = Told()
    batch = platform.register("judge", entries_folder)

    platform.run("judge", batch, only=["judge/entries"])
    platform.run("judge", batch, only=["judge/signals"])
    platform.run("judge", batch, only=["judge/critiques"])

    assert told == [
        ("finished", "judge/entries"),
        ("finished", "judge/signals"),
        ("stopped", "judge/critiques"),
    ]
