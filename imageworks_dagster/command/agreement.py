"""`imageworks agreement`: people's marks against the judge's, as lines for the terminal and a page to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.agreement import agreements
from imageworks.judge_vision.agreement_report import render_agreement, told
from imageworks.judge_vision.marks_file import load_marks
from imageworks_dagster.command.terminal import indented, say
from imageworks_dagster.opened import open_store
from store.batches import batch as registered_batch
from store.path_text import path_text
from store.publishing import make_folder, publish_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.console import Console

    from store.settings import Settings

PAGE = "agreement.html"


def tell_agreement(settings: Settings, batch: str, marks: Path, console: Console) -> None:
    """Print how people and the judge agree on a batch, and publish the page beside the batch's report.

    Raises:
        imageworks.errors.MarksFileError: the file cannot be used.
        store.errors.UnknownBatch: nobody registered the batch.
        store.errors.MissingTable: it has no result yet.
    """
    store = open_store(settings)
    registered_batch(store.database, "judge", batch)
    rows = store.tables.read("judge/results", batch).to_pylist()
    files = store.tables.read("judge/entries", batch).to_pylist()
    found = agreements(
        load_marks(marks, {row["relative_path"]: row["entry_id"] for row in files}),
        scores={row["entry_id"]: row["score"] for row in rows if row["score"] is not None},
        places={row["entry_id"]: row["place"] for row in rows if row["place"] is not None},
        categories={row["entry_id"]: row["category"] or "" for row in rows},
    )
    for about, lines in told(found):
        say(console, about, style="bold")
        for line in lines:
            say(console, indented(line))
    page = store.home.reports / "judge" / batch / PAGE
    make_folder(page.parent)
    publish_file(page, render_agreement(found, batch=batch, models=models_behind(rows)).encode("utf-8"))
    say(console, f"Page: {path_text(page)}")


def models_behind(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The models whose marks the scores of rows of judge/results come of, by name: of a panel all of them."""
    # A table of an earlier version knows the one alone whose words are shown.
    return sorted({model for row in rows for model in row.get("models") or [row["model"]] if model})
