"""Run one stage in parts: divide its batch, work each part, gather and publish the one table.

The last step is `run_stage` with rows that are there already. A batch that is not divided, a run that is tried again
from that step, and parts that are gone are all the same to it: what no part covers it makes itself.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backends.leases.rows import time_of
from imageworks_dagster.parts import PartFiles, Plan, divided, not_covered, sweep
from imageworks_dagster.staging import at_work, end_stage, enter_stage, explained
from imageworks_dagster.step_claims import stand

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagster as dg

    from imageworks_dagster.assets.stage import StageStep
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline
    from imageworks_dagster.stages import Outcome, Stage


def divide_stage(step: StageStep) -> list[str]:
    """Divide the run's batch.

    Returns:
        Names of the parts; empty for a batch that is no larger than one, which the last step works alone.

    Raises:
        dg.Failure: with an explained error's message.
    """
    with explained():
        stage, _ = enter_stage(step)
        sweep(stage.store.home, step.context.instance)
        plan = _plan(stage, step.pipeline)
        if len(plan.parts) <= 1:
            return []
        _files(stage).keep_plan(plan)
        return list(plan.parts)


def work_part(step: StageStep, body: Callable[[Stage], Outcome]) -> None:
    """Make the rows of one part, and keep them for the last step.

    Raises:
        dg.Failure: with an explained error's message.
    """
    with explained():
        stage, _ = enter_stage(step, together=True)
        files = _files(stage)
        plan = files.plan()
        if plan is None:
            # The run began with a part, where another run had ended; or somebody has forgotten photos meanwhile.
            plan = _plan(stage, step.pipeline)
            files.keep_plan(plan)
        name = step.context.get_mapping_key() or ""
        if name not in plan.parts:
            step.context.log.warning(
                "The batch has no part %s any more; the stage's last step works its entries.", name
            )
            return
        stage.part = plan.parts[name]
        with at_work(stage, step.assembly):
            outcome = body(stage)
            table = stage.shape.build(outcome.rows)
            # As when a table is published: who has lost the step tells nothing any more.
            stage.store.database.write(stand)
            files.keep(name, table, stage.tally)


def gather_stage(step: StageStep, body: Callable[[Stage], Outcome]) -> dg.MaterializeResult[Any]:
    """Materialize the stage from the rows of its parts, and make those that are missing.

    Raises:
        dg.Failure: with an explained error's message.
    """
    with explained():
        stage, hub = enter_stage(step)
        files, began = _files(stage), time.monotonic()
        plan = files.plan()
        if plan is not None:
            _take_over(stage, step.pipeline, plan)
        with at_work(stage, step.assembly):
            outcome = body(stage)
            pointer = stage.publish(outcome)
        seconds = time.monotonic() - began if plan is None else _now(stage.store) - plan.began_at
        if plan is not None:
            failed = sum(1 for row in outcome.rows if row.get("error_class"))
            step.assembly.progress.advanced(stage.asset, len(outcome.rows), failed)
            outcome = replace(outcome, metadata={**outcome.metadata, "parts": len(plan.parts)})
        told = end_stage(step, stage, outcome=outcome, pointer=pointer, seconds=seconds, hub=hub)
        # Last: whoever carries this step out again, after a loss, finds the rows.
        files.remove()
        return told


def _take_over(stage: Stage, pipeline: Pipeline, plan: Plan) -> None:
    """Put into the stage what its parts came to, and leave it the entries that none covers."""
    # What was published, or rewritten without forgotten photos, since the stage began stays.
    stage.expected = plan.before
    rows = []
    for name in plan.parts:
        kept = _files(stage).read(name)
        if kept is None:
            stage.log.warning("Nothing is there of part %s; its entries are worked here.", name)
            continue
        rows += kept[0]
        stage.tally.add(kept[1])
    entries = stage.entries(_listing(pipeline))
    ids = {entry["entry_id"] for entry in entries}
    # Whose answer a row carries may be gone by now; its own photo is asked about then, and that one is not named.
    rows = [row for row in rows if row.get("shared_from") is None or row["shared_from"] in ids]
    missing = not_covered(entries, rows)
    there = ids - missing
    stage.gathered = [row for row in rows if row["entry_id"] in there]
    stage.part = missing


def _plan(stage: Stage, pipeline: Pipeline) -> Plan:
    parts = divided(stage.entries(_listing(pipeline)), stage.settings.part_photos)
    named = {f"{number}_of_{len(parts)}": part for number, part in enumerate(parts, 1)}
    return Plan(named, stage.expected, _now(stage.store))


def _listing(pipeline: Pipeline) -> str:
    return pipeline.stages[0].asset


def _files(stage: Stage) -> PartFiles:
    return PartFiles(stage.store.home, stage.run.run_id, stage.asset)


def _now(store: OpenStore) -> float:
    with store.database.read() as connection:
        return time_of(connection)
