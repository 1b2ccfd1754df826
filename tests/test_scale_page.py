"""docs/scale.md shows the figures that `python -m bench scale` measured."""

from __future__ import annotations

import json
from pathlib import Path

from bench.scale import FIGURES, page_rows

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
MEASURED = {
    row["name"]: row["value"]
    for row in json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
}


def test_the_table_is_what_was_measured():
    rows = page_rows(MEASURED)
    assert len(rows) == len(FIGURES)
    table = PAGE.partition("|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows
