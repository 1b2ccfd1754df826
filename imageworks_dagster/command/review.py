"""`imageworks review`: a sheet to decide on, and a person's decisions taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.review import review_csv
from imageworks.personal_tagger.review_file import load_review
from imageworks.personal_tagger.review_sheet import render_review
from imageworks_dagster.command.commands import run_command
from imageworks_dagster.command.terminal import say
from imageworks_dagster.opened import open_store
from imageworks_dagster.stages import BatchTables
from imageworks_dagster.tagging.reviewing import Review
from store.batches import batch as registered_batch
from store.path_text import path_text
from store.publishing import make_folder, publish_file

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from store.settings import Settings

SHEET, TABLE = "review.html", "review.csv"


def write_review(settings: Settings, batch: str, console: Console) -> None:
    """Write the sheet and the table beside the batch's report, and say where they lie.

    Raises:
        store.errors.UnknownBatch: nobody registered the batch.
        store.errors.MissingTable: it has not been tagged.
    """
    store = open_store(settings)
    photos = Review(BatchTables(registered_batch(store.database, "tagger", batch), store)).photos(settings)
    folder = store.home.reports / "tagger" / batch
    make_folder(folder)
    take_back = f"imageworks review {batch} --import review-decided.csv"
    page = render_review(photos, batch=batch, import_command=take_back)
    publish_file(folder / SHEET, page.encode("utf-8"))
    # Spreadsheets know UTF-8 by its mark.
    publish_file(folder / TABLE, review_csv(photos).encode("utf-8-sig"))
    say(console, f"Decide in a browser: {path_text(folder / SHEET)}")
    say(console, f"or in a spreadsheet: {path_text(folder / TABLE)}")
    say(console, f"Then take the decisions back with: imageworks review {batch} --import FILE.csv")


def import_review(settings: Settings, batch: str, file: Path, console: Console, *, who: str) -> None:
    """Take decisions back, and say what they came to.

    Raises:
        imageworks.errors.ReviewFileError: the file cannot be used; nothing was kept.
        store.errors.UnknownBatch: nobody registered the batch.
        store.errors.MissingTable: it has not been tagged.
    """
    store = open_store(settings)
    one = registered_batch(store.database, "tagger", batch)
    outcome = Review(BatchTables(one, store)).take_back(load_review(file), who=who)
    for line in outcome.words():
        say(console, line)
    say(
        console,
        f"Write what is approved with: {run_command('tagger', one.folder, batch, '--apply', '--approved')}",
    )
