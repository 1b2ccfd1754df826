"""What there is and what needs looking at, in one screen."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from imageworks.counting import counted
from imageworks_dagster.choices import DEFAULT
from imageworks_dagster.command.commands import publish_command, run_command
from imageworks_dagster.command.terminal import say
from imageworks_dagster.instance import open_instance
from imageworks_dagster.opened import has_home, open_store, which_home
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.promotions import overtaken
from store.batches import batches
from store.path_text import path_text
from telemetry.manifest import manifests

if TYPE_CHECKING:
    from rich.console import Console

    from imageworks_dagster.opened import OpenStore
    from store.batches import Batch
    from store.settings import Settings
    from telemetry.manifest import RunManifest


def print_status(settings: Settings, console: Console) -> None:
    """Print batches with their last runs, and what needs looking at."""
    # A home is made by what is kept in it, not by a look.
    store = open_store(settings) if has_home(settings) else None
    known = batches(store.database) if store is not None else ()
    if store is None or not known:
        say(console, f"No batch yet. Begin with: imageworks demo\n{which_home(settings)}")
        return
    latest: dict[tuple[str, str | None], RunManifest] = {}
    found = manifests(store.home)
    for error in found.damaged:
        say(console, f"{error}", style="yellow")
    for manifest in found.runs:
        latest.setdefault((manifest.pipeline, manifest.batch), manifest)
    stale = {(one.batch.pipeline, one.batch.name): one for one in overtaken(store, settings)}
    for batch in known:
        last = latest.get((batch.pipeline, batch.name))
        say(console, f"{batch.pipeline} · {batch.name} · {batch.state}", style="bold")
        _tell_of(batch, console)
        if last is None:
            say(console, f"    never run; begin with: {_again(batch)}")
            continue
        say(console, f"    {_last_run(last, batch, store)}")
        if advice := _advice(last, batch, store):
            say(console, f"    {advice}", style="yellow")
        if one := stale.get((batch.pipeline, batch.name)):
            again = f"{', '.join(one.assets)} stale by a promotion. Ask anew with: {_again(batch)}"
            say(console, f"    {again}", style="yellow")
        if lost := sum(stage.dropped_events + stage.unsynced_events for stage in last.stages.values()):
            say(
                console,
                f"    {lost} of its telemetry events are lost, or may be: look at the disk",
                style="yellow",
            )


def _tell_of(batch: Batch, console: Console) -> None:
    say(console, f"    {path_text(batch.folder)}")
    if not batch.has_folder:
        say(console, f"    {_gone(batch)}", style="yellow")
    if chosen := _remembered(batch):
        say(console, f"    {chosen}")


def _remembered(batch: Batch) -> str:
    """What was chosen for the batch and holds for its next runs, and how to leave it; empty where nothing was."""
    chosen: dict[str, str] = {}
    for stage in PIPELINES[batch.pipeline].choosing:
        pinned = batch.pins.get(stage.asset, {})
        for name in ("profile", "model", "judges"):
            if pinned.get(name):
                chosen.setdefault("--iqa-model" if stage.asks is None else f"--{name}", str(pinned[name]))
    if not chosen:
        return ""
    given = " ".join(f"{option} {shlex.quote(value)}" for option, value in chosen.items())
    leaving = " ".join(f"{option} {DEFAULT}" for option in chosen)
    return f"remembers {given}; leave that with: {_again(batch, *leaving.split())}"


def _last_run(last: RunManifest, batch: Batch, store: OpenStore) -> str:
    final = PIPELINES[batch.pipeline].stages[-1].asset
    pointer = store.tables.current(final, batch.name)
    facts = ["last run crashed" if last.has_crashed() else f"last run {last.status}"]
    if last.ended_at:
        facts.append(f"{last.ended_at[:16].replace('T', ' ')} UTC")
    if pointer is not None:
        facts.append(counted(pointer.rows, "entry", "entries"))
    if final in last.stages and last.stages[final].failed:
        facts.append(f"{sum(last.stages[final].failed.values())} of them without a result")
    return ", ".join(facts)


def _advice(last: RunManifest, batch: Batch, store: OpenStore) -> str:
    if last.has_crashed():
        said = "it ended without saying so; what it had answered is kept"
    elif last.status in ("failed", "canceled"):
        said = "what was answered is kept"
    else:
        return ""
    return f"{said}. Go on with: {_again(batch, *_options(last, batch, store))}"


def _options(last: RunManifest, batch: Batch, store: OpenStore) -> list[str]:
    """What the run was asked to do with the files, as it was asked; nothing for a run that Dagster has forgotten."""
    final = PIPELINES[batch.pipeline].stages[-1]
    with open_instance(store.home) as instance:
        run = instance.get_run_by_id(last.run_id)
    ops: Any = {} if run is None else dict(run.run_config).get("ops", {})
    config = ops.get(final.op_name, {}).get("config", {})
    action = config.get("action", "propose")
    return [] if action == "propose" else [f"--{action}"]


def _gone(batch: Batch) -> str:
    if batch.state == "published":
        return "its folder is gone, or cannot be reached"
    close = publish_command(batch.pipeline, batch.name)
    return (
        "its folder is gone, or cannot be reached, and nothing runs this batch by itself. "
        f"Put the folder back, or close the batch with: {close}"
    )


def _again(batch: Batch, *options: str) -> str:
    return run_command(batch.pipeline, batch.folder, batch.name, *options)
