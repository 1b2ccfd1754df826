"""Tables in a narrow terminal."""

import io

from rich.console import Console
from rich.table import Table

from store.fitted_table import fitted

RUN = "0b0ac2b1-5a0e-4a4c-9a3c-2f1f8a3f4d11"


def shown(table, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(fitted(table, console))
    return console.file.getvalue()


def table_of(*names):
    table = Table(*names, caption="two rows")
    table.add_row(RUN, *(f"value-of-{name}" for name in names[1:]))
    table.add_row("r2", *("" for _ in names[1:]))
    return table


def test_a_table_that_fits_is_a_table():
    text = shown(table_of("run", "status"))

    assert "│" in text
    assert RUN in text


def test_a_table_that_is_too_wide_is_a_block_a_row_with_nothing_cut():
    text = shown(table_of("run", "pipeline", "batch", "status", "started_at"))

    assert [line.rstrip() for line in text.splitlines()] == [
        f"run         {RUN}",
        "pipeline    value-of-pipeline",
        "batch       value-of-batch",
        "status      value-of-status",
        "started_at  value-of-started_at",
        "",
        "run  r2",
        "",
        "two rows",
    ]
