"""The assets of Judge-Vision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.assets.stage import stage_asset
from imageworks_dagster.pipelines import JUDGE

if TYPE_CHECKING:
    import dagster as dg

    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.stages import Outcome, Stage

# Bodies load what they work with when they run: the definitions must load fast.
# ruff: noqa: PLC0415


def _entries(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.entries import list_entries

    return list_entries(stage)


def _compliance(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.compliance import check_entries

    return check_entries(stage)


def _signals(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.signals import measure_entries

    return measure_entries(stage)


def _critiques(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.critiques import critique_entries

    return critique_entries(stage)


def _playoff(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.playoff import compare_shortlist

    return compare_shortlist(stage)


def _results(stage: Stage) -> Outcome:
    from imageworks_dagster.judging.results import announce

    return announce(stage)


BODIES = {
    "judge/entries": (
        _entries,
        "Every file of the batch's folder, identified by its picture, with the title that the judge may see.",
    ),
    "judge/compliance": (
        _compliance,
        "Each entry against the competition's rules: size, format, color space, naming, borders, color, duplicates.",
    ),
    "judge/signals": (_signals, "What can be measured about each photo: tones, sharpness, noise, color."),
    "judge/critiques": (
        _critiques,
        "Marks and a critique for each eligible entry, judged blind by one prompt and one model.",
    ),
    "judge/playoff": (
        _playoff,
        "The best-scored entries compared in pairs, each pair in both orders; shared out where judges are several.",
    ),
    "judge/results": (_results, "Places with their intervals, awards, the report and the CSV."),
}


def judge_assets(assembly: Assembly) -> list[dg.AssetsDefinition]:
    """All stages of Judge-Vision."""
    return [
        stage_asset(
            JUDGE, stage, BODIES[stage.asset][0], assembly=assembly, description=BODIES[stage.asset][1]
        )
        for stage in JUDGE.stages
    ]
