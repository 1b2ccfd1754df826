"""`imageworks backfill`: run batches once more by a policy; what that costs is told first."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imageworks.counting import counted
from imageworks_dagster.backfilling import WORDS, due_batches, estimate
from imageworks_dagster.command.running import run_each
from imageworks_dagster.command.terminal import say
from imageworks_dagster.definitions import assemble
from imageworks_dagster.opened import has_home, open_store, which_home
from store.path_text import path_text

if TYPE_CHECKING:
    from rich.console import Console

    from imageworks_dagster.backfilling import BatchCost, Estimate, Policy
    from store.settings import Settings

_SHOWN = 20


def backfill_batches(
    settings: Settings,
    policy: Policy,
    console: Console,
    *,
    pipeline: str | None,
    run: bool,
    as_json: bool,
) -> bool:
    """Tell which batches are due and what they cost, and run them if that is wanted.

    Returns:
        Whether all that was run succeeded.
    """
    # A home is made by what is kept in it, not by a look.
    if not has_home(settings):
        say(console, f"No batch yet. Begin with: imageworks demo\n{which_home(settings)}")
        return True
    store = open_store(settings)
    found = due_batches(store, settings, assemble(settings, {}).registry, policy, pipeline=pipeline)
    whole = estimate((stage for one in found for stage in one.stages), concurrency=settings.concurrency)
    if as_json:
        console.print_json(json.dumps(_as_json(policy, found, whole)))
    else:
        _tell(policy, found, whole, settings, console)
    runnable = [one for one in found if one.problem is None]
    again = " ".join(
        ["imageworks backfill", policy, *(["--pipeline", pipeline] if pipeline else []), "--run"]
    )
    if not run:
        if runnable and not as_json:
            say(console, f"Nothing was run. Run them with:\n  {again}")
        return True
    each = ((f"{one.batch.pipeline} {one.batch.name}", one.batch) for one in runnable)
    succeeded = run_each(settings, each, count=len(runnable), console=console, configured={}, resume=again)
    return succeeded and len(runnable) == len(found)


def _tell(
    policy: Policy, found: list[BatchCost], whole: Estimate, settings: Settings, console: Console
) -> None:
    if not found:
        say(console, f"No batch {WORDS[policy]}.")
        return
    say(console, f"{counted(len(found), 'batch', 'batches')}, each of which {WORDS[policy]}:", style="bold")
    for one in found[:_SHOWN]:
        named = f"    {one.batch.pipeline} {one.batch.name}"
        if one.problem is not None:
            say(console, f"{named}: cannot be run. {one.problem}", style="yellow")
            continue
        say(
            console,
            f"{named}: {counted(one.photos, 'photo')}, at most {one.asked} asked about  "
            f"{path_text(one.batch.folder)}",
        )
    if len(found) > _SHOWN:
        say(console, f"    and {len(found) - _SHOWN} more")
    say(console, f"At most {counted(whole.requests, 'request')}; what has a kept answer is not asked again.")
    known = whole.requests - whole.unknown
    if known:
        say(
            console,
            f"By what such requests took: {_duration(whole.seconds)} with {settings.concurrency} at once, "
            f"{whole.input_tokens:,} input and {whole.output_tokens:,} output tokens.",
        )
    if whole.unknown:
        say(
            console,
            f"Of {counted(whole.unknown, 'request')} nothing is known: their models were never asked so.",
        )


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"


def _as_json(policy: Policy, found: list[BatchCost], whole: Estimate) -> dict[str, Any]:
    return {
        "policy": policy,
        "batches": [
            {
                "pipeline": one.batch.pipeline,
                "batch": one.batch.name,
                "photos": one.photos,
                "asked_at_most": one.asked,
                "problem": one.problem,
                "stages": [asdict(stage) for stage in one.stages],
            }
            for one in found
        ],
        **asdict(whole),
    }
