"""What `imageworks backup` and `imageworks restore` show and say."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from imageworks.counting import counted
from imageworks_dagster.backup.restoring import restore
from imageworks_dagster.backup.taking import Telling, take_backup
from imageworks_dagster.command.commands import shell_word
from imageworks_dagster.command.terminal import say
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from store.settings import Settings


def tell_backup(settings: Settings, file: Path, console: Console, *, database: bool) -> None:
    """Take a backup, show how far it is, and say what is in it."""
    with _bars(console) as bars:
        copying = bars.add_task("databases", total=None)
        writing = bars.add_task("archive", total=None)
        telling = Telling(
            copied=lambda done, pages: bars.update(copying, completed=done, total=pages),
            foreseen=lambda size: bars.update(writing, total=size),
            moved=lambda size: bars.advance(writing, size),
        )
        taken = take_backup(settings, file, telling, database=database)
    say(
        console,
        f"{path_text(taken.file)}: {counted(taken.files, 'file')}, {taken.size / 1e6:.1f} MB before packing.",
    )
    for table in taken.damaged:
        what = "is current and" if table.current else "is of an older run and"
        again = "materialize it again" if table.current else "nothing needs it"
        say(
            console,
            f"The table {table.path} {what} was damaged before: it is not inside; {again}.",
            style="yellow",
        )
    if not database:
        said = "The state database is not inside: keep pg_dump's file with it, and restore that one too."
        say(console, said, style="yellow")
    say(
        console,
        "Photos are not inside: they are where they were. Keep the archive as safe as the home itself.",
    )


def tell_restore(settings: Settings, file: Path, place: Path, console: Console) -> None:
    """Make a home of a backup, show how far it is, and say what to do next."""
    with _bars(console) as bars:
        reading = bars.add_task("archive", total=file.stat().st_size)
        restored = restore(
            file, place, lambda size: bars.advance(reading, size), artifacts_url=settings.artifacts_url
        )
    root = restored.home.root
    files, tables = counted(restored.files, "file"), counted(restored.tables, "table")
    say(console, f"{path_text(root)}: {files}, {tables}, each as it was written.")
    if restored.home.artifacts is not None:
        say(console, f"Its tables are at {restored.home.artifacts}.")
    if restored.dump is not None:
        say(
            console,
            f"Its database is a dump: pg_restore --no-owner --dbname DATABASE {shell_word(restored.dump)}",
        )
    for batch in restored.without_folder:
        said = f"{batch.pipeline} · {batch.name}: its photos are not here, at {path_text(batch.folder)}."
        say(console, f"{said} Put them there before it goes on.", style="yellow")
    say(console, f"Go on with: IMAGEWORKS_HOME={shell_word(root)} imageworks status")


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield bars
