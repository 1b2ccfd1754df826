"""The command line of telemetry: `python -m telemetry summary|sql|compact|fsck|tail|manifest`."""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from store.errors import StoreError
from store.fitted_table import fitted
from store.home import Home
from store.path_text import path_text
from store.settings import Settings
from telemetry.catalog import connect, select
from telemetry.compaction import CompactionReport, compact
from telemetry.dictionary import with_dictionary
from telemetry.errors import TelemetryError
from telemetry.fsck import FsckReport, fsck
from telemetry.manifest import manifests, read_manifest
from telemetry.summary import SummaryRow, summarize

app = typer.Typer(
    name="telemetry",
    help="What happened: requests, latencies, failures, runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home folder; IMAGEWORKS_HOME or .imageworks if not given.")
]


@app.command()
def summary(
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
    *,
    home: HomeOption = None,
) -> None:
    """Requests, failures, latencies and tokens by stage, model and deployment."""
    with connect(_home(home)) as connection:
        rows = summarize(connection, run)
    if not rows:
        typer.echo("No events yet." if run is None else f"No events of run {run}.")
        return
    _show(
        [
            "stage",
            "model",
            "deployment",
            "requests",
            "recalled",
            "errors",
            "canceled",
            "p50_ms",
            "p95_ms",
            "p99_ms",
            "tokens_in",
            "tokens_out",
            "lease_wait_ms",
            "failures",
        ],
        [_summary_cells(row) for row in rows],
    )


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the views; `SHOW TABLES` lists them.")],
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, whole values.")] = False,
    home: HomeOption = None,
) -> None:
    """Ask the catalog one SELECT. It can read what telemetry keeps, and nothing else."""
    with connect(_home(home), locked=True) as connection:
        result = select(connection, query)
        names = [column[0] for column in result.description or ()]
        if as_csv:
            writer = csv.writer(sys.stdout)
            writer.writerow(names)
            while rows := result.fetchmany(10_000):
                writer.writerows([["" if value is None else value for value in row] for row in rows])
        else:
            _show(names, [[_cell(value) for value in row] for row in result.fetchall()])


@app.command("compact")
def compact_command(*, home: HomeOption = None) -> None:
    """Turn the spools of ended processes into Parquet."""
    report = compact(_home(home))
    typer.echo(
        f"{report.events} events{_beside_events(report)} from {len(report.spools)} spools into "
        f"{len(report.files)} Parquet files; "
        f"{report.known} were there already; {len(report.live)} spools are still being written."
    )
    for path in report.newer:
        typer.echo(f"{path} was written by a newer version of this program; update it, then compact again.")
    for path in report.quarantined:
        typer.echo(f"Unreadable lines are in {path}.")


@app.command("fsck")
def fsck_command(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    home: HomeOption = None,
) -> None:
    """Read everything that telemetry keeps; exit status 1 if something is wrong."""
    report = fsck(_home(home), repair=repair)
    for problem in report.problems:
        typer.echo(f"{problem.path}: {problem.what}; {'mended' if problem.mended else problem.remedy}.")
    typer.echo(
        f"{report.events} events{_beside_events(report)} in {report.parquet_files} Parquet files, {report.spooled} in "
        f"{report.spools} spools, {report.manifests} manifests, {report.quarantined} files in quarantine, "
        f"{len(report.problems)} problems."
    )
    if not report.clean:
        raise typer.Exit(1)


@app.command()
def tail(
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    *,
    home: HomeOption = None,
) -> None:
    """The latest events."""
    with connect(_home(home)) as connection:
        rows = connection.execute(
            "SELECT enqueued_at, stage, entry_id, model, deployment, status, error_class, total_ms, "
            "attempt_count, output_tokens FROM events ORDER BY enqueued_at DESC, event_id LIMIT ?",
            [count],
        ).fetchall()
    _show(
        [
            "enqueued_at",
            "stage",
            "entry_id",
            "model",
            "deployment",
            "status",
            "error_class",
            "total_ms",
            "attempts",
            "tokens_out",
        ],
        [[_cell(value) for value in row] for row in reversed(rows)],
    )


@app.command()
def manifest(
    run: Annotated[str | None, typer.Argument(help="A run; without one, all runs are listed.")] = None,
    *,
    home: HomeOption = None,
) -> None:
    """The manifest of a run as JSON, or a list of runs."""
    if run is not None:
        typer.echo(json.dumps(read_manifest(_home(home), run).model_dump(mode="json"), indent=2))
        return
    found = manifests(_home(home))
    rows = [
        [
            item.run_id,
            item.pipeline,
            item.batch or "",
            "crashed" if item.has_crashed() else item.status,
            item.started_at,
            item.ended_at or "",
        ]
        for item in found.runs
    ]
    rows += [[error.path.stem, "", "", "damaged", "", ""] for error in found.damaged]
    _show(["run", "pipeline", "batch", "status", "started_at", "ended_at"], rows)
    for error in found.damaged:
        typer.echo(f"{error}", err=True)


@app.command(hidden=True)
def dictionary(document: Annotated[Path, typer.Argument(help="Markdown file with a dictionary.")]) -> None:
    """Make the data dictionary in a document anew."""
    document.write_text(with_dictionary(document.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 1."""
    try:
        app()
    except (TelemetryError, StoreError, duckdb.Error) as error:
        typer.echo(f"{error}", err=True)
        sys.exit(1)
    except OSError as error:
        where = path_text(error.filename) if error.filename else "A file of telemetry"
        typer.echo(
            f"{where} cannot be read or written: {error.strerror or error}. Mend its permissions or its disk, then "
            "do this again.",
            err=True,
        )
        sys.exit(1)


def _beside_events(report: CompactionReport | FsckReport) -> str:
    counted = ((report.decisions, "decisions"), (report.gpu_samples, "GPU samples"))
    return "".join(f", {count} {what}" for count, what in counted if count)


def _home(folder: Path | None) -> Home:
    return Home.of(Settings() if folder is None else Settings(home=folder))


def _summary_cells(row: SummaryRow) -> list[str]:
    return [
        _cell(value)
        for value in (
            row.stage,
            row.model,
            row.deployment,
            row.requests,
            row.recalled,
            row.errors,
            row.canceled,
            row.p50_ms,
            row.p95_ms,
            row.p99_ms,
            row.input_tokens,
            row.output_tokens,
            row.lease_wait_ms,
            " ".join(f"{name}={count}" for name, count in row.failures.items()),
        )
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    # What a file's name or a model says must not move the cursor.
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _show(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*names)
    for row in rows:
        # Text, not markup: a title in a row may look like a style or a link.
        table.add_row(*(Text(cell) for cell in row))
    # A pipe has no width; what is cut off there cannot be read by anybody.
    in_terminal = sys.stdout.isatty()
    console = Console(width=None if in_terminal else 10_000, soft_wrap=not in_terminal)
    console.print(fitted(table, console) if in_terminal else table)


if __name__ == "__main__":
    main()
