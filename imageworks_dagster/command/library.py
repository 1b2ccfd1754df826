"""`imageworks library`: what a photo library holds, what has changed in it, and tags for that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imageworks.counting import counted
from imageworks_dagster.command.commands import shell_word
from imageworks_dagster.command.running import run_each
from imageworks_dagster.command.terminal import say
from imageworks_dagster.library import look_through
from imageworks_dagster.opened import open_store
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from rich.console import Console

    from imageworks_dagster.library import Library
    from store.settings import Settings

_SHOWN = 12
_WORDS = {
    "new": "was never tagged",
    "changed": "has photos that were added, changed, moved or taken out",
    "unfinished": "was begun and not ended",
}


def tend_library(
    settings: Settings,
    root: Path,
    console: Console,
    *,
    tag: bool,
    configured: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Say which batches of a library are to be tagged, and tag them if that is wanted.

    Returns:
        Whether all that was run succeeded.
    """
    store = open_store(settings)
    library = look_through(store, root, most=settings.library_batch)
    _tell(library, root, console)
    if not library.due:
        return True
    again = f"imageworks library {shell_word(root)} --tag"
    if not tag:
        say(console, f"No photo was opened. Tag what is due with:\n  {again}")
        return True
    each = ((path_text(part.folder), part.registered(store)) for part in library.due)
    return run_each(
        settings, each, count=len(library.due), console=console, configured=configured, resume=again
    )


def _tell(library: Library, root: Path, console: Console) -> None:
    found = f"{counted(library.photos, 'photo')} in {counted(len(library.batches), 'batch', 'batches')}"
    say(console, f"{path_text(root)}: {found}", style="bold")
    for problem in library.problems:
        say(console, f"{problem.path_text}: {problem.message}", style="yellow")
    if not library.due:
        say(console, "All of it is tagged as it is.")
        return
    for why, number in Counter(part.due for part in library.due).items():
        assert why is not None  # noqa: S101 - those that are due
        say(console, f"    {counted(number, 'batch', 'batches')} {_WORDS[why]}")
    for part in library.due[:_SHOWN]:
        say(console, f"    {path_text(part.folder)}  {counted(part.photos, 'photo')}, {part.due}")
    if len(library.due) > _SHOWN:
        say(console, f"    and {len(library.due) - _SHOWN} more")
