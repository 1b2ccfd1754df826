"""What a run came to, said in the terminal when it has ended: its report, and what became of the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from imageworks_dagster.command.terminal import console, errors, hanging, say
from imageworks_dagster.opened import open_store, which_home
from store.home import Home
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

    from imageworks_dagster.command.running import Finished
    from store.settings import Settings


def report_of(settings: Settings, pipeline: str, batch: str) -> Path:
    """Where the report of a batch is, or will be."""
    return Home.of(settings).report(pipeline, batch)


def tell_of_changes(settings: Settings, batch: str) -> None:
    """Say what writing would do to the files: of many photos the sums here, all of it in a file."""
    from imageworks_dagster.tagging import telling  # noqa: PLC0415 - loads the store

    rows = open_store(settings).tables.read("tagger/metadata", batch).to_pylist()
    place = report_of(settings, "tagger", batch).with_name(telling.CHANGES_FILE)
    for line in telling.shown_words(rows, whole=path_text(place)):
        say(console, hanging(line))


def tell_of_files(settings: Settings, batch: str, finished: Finished, *, undo: str) -> None:
    """Say what was written, or taken back where ``undo`` names no command for that.

    Raises:
        typer.Exit: some could not be taken back.
    """
    from imageworks_dagster.tagging import telling  # noqa: PLC0415 - loads the store
    from imageworks_dagster.tagging.undoing import undo_words  # noqa: PLC0415 - loads the store

    rows = open_store(settings).tables.read("tagger/metadata", batch).to_pylist()
    if undo:
        say(console, telling.applied_words(rows, undo=undo))
        if finished.by_rule:
            say(console, telling.BY_RULE, style="yellow")
        return
    say(console, undo_words(rows))
    if not any(row["state"] in ("undone", "refused") for row in rows):
        say(console, which_home(settings))
    refused = [row for row in rows if row["state"] == "refused"]
    for line in telling.refused_words(refused):
        say(errors, line, style="red")
    if refused:
        raise typer.Exit(1)


def tell(finished: Finished, report: Path, *, leave: bool = True) -> None:
    """Say why a run failed, or where its report is.

    Raises:
        typer.Exit: it failed, unless somebody else sees to that.
    """
    for reason in finished.reasons:
        say(errors, reason, style="yellow" if finished.success else "red")
    if finished.success and report.exists():
        say(console, f"Report: {path_text(report)}")
    if leave and not finished.success:
        raise typer.Exit(1)
