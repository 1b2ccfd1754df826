"""Run the benches, print a table, write `bench/results.json`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from bench.result import Result

BENCHES = (
    "signals",
    "own_time",
    "critiques",
    "noop",
    "library",
    "planning",
    "leases",
    "waits",
    "prompts",
    "ranking",
    "metadata",
    "gateway",
    "gateway_memory",
)
# Others run only when they are named: they take minutes.
RESULTS = Path(__file__).with_name("results.json")


def _keep(results: list[Result]) -> None:
    """Write figures in place of those of the same names; the others stay."""
    kept = {row["name"]: row for row in json.loads(RESULTS.read_text(encoding="utf-8"))}
    kept |= {result.name: result.as_dict() for result in results}
    RESULTS.write_text(json.dumps(list(kept.values()), indent=1) + "\n", encoding="utf-8")


def main(chosen: list[str]) -> int:
    """Run the chosen benches, or all of ``BENCHES``; 1 when a goal is missed."""
    console = Console()
    results: list[Result] = []
    for name in chosen or BENCHES:
        console.print(f"bench {name} …", style="dim")
        results += importlib.import_module(f"bench.{name}").run()
        # At once: the next one may fail, after minutes.
        _keep(results)
    table = Table("figure", "value", "unit", "goal", "met")
    for result in results:
        row = result.as_dict()
        met = "" if row["met"] is None else "yes" if row["met"] else "NO"
        table.add_row(row["name"], f"{row['value']:g}", row["unit"], row["goal"] or "", met)
    console.print(table)
    return 0 if all(result.met is not False for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
