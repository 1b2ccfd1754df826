"""Why a step of a run failed, from what Dagster kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.pipelines import PIPELINES

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

ASSETS = {stage.op_name: stage.asset for pipeline in PIPELINES.values() for stage in pipeline.stages}
"""Asset by the name of its step, which people are not shown."""


def asset_of(step: str) -> str:
    """The asset that a step is of, or of a part of; the step itself where it is of none."""
    return ASSETS.get(step.partition(".")[0], step)


def error_class(error: SerializableErrorInfo | None) -> str | None:
    """The class of what went wrong beneath Dagster's own wrappings; theirs where there is nothing beneath."""
    named = outermost = None
    while error is not None:
        outermost = outermost or error.cls_name
        if error.cls_name and error.cls_name != "Failure" and not error.cls_name.startswith("Dagster"):
            named = named or error.cls_name
        error = error.cause
    return named or outermost
