"""A report in the form that somebody chose, to a file or the terminal."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from prompt_hub.testing.reports.as_json import report_json
from prompt_hub.testing.reports.html import report_html
from prompt_hub.testing.reports.junit import junit_xml
from prompt_hub.testing.reports.table import show_table
from prompt_hub.testing.reports.words import summary
from store.publishing import publish_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from prompt_hub.testing.outcomes import SetOutcome


class ReportForm(StrEnum):
    """How to write a report."""

    TABLE = "table"
    JUNIT = "junit"
    JSON = "json"
    HTML = "html"


_MADE = {ReportForm.JUNIT: junit_xml, ReportForm.JSON: report_json, ReportForm.HTML: report_html}


def write_report(outcomes: Sequence[SetOutcome], form: ReportForm, output: Path | None) -> None:
    """Write it; into a file goes a document, and the terminal then has the summary.

    Raises:
        typer.BadParameter: A table is for the terminal.
        store.errors.PublishFailed: The file cannot be written.
    """
    if form is ReportForm.TABLE:
        show_table(outcomes)
    elif output is None:
        typer.echo(_MADE[form](outcomes), nl=False)
    else:
        publish_file(output, _MADE[form](outcomes).encode())
        typer.echo(f"{summary(outcomes)} {output}")


def check_form(form: ReportForm, output: Path | None) -> None:
    """Refuse a file for a table before anything is done for it.

    Raises:
        typer.BadParameter: A table is for the terminal.
    """
    if form is ReportForm.TABLE and output is not None:
        raise typer.BadParameter("--output is for --format junit, json or html; a table is for the terminal")
