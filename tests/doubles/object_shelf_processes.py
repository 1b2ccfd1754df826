"""Publish run after run into a store of objects, and say each one that was acknowledged, until somebody kills it."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import pyarrow as pa

from store.artifacts import TableStore
from store.database import StateDatabase
from store.settings import Settings


def main(home: Path, url: str) -> None:
    with StateDatabase.open(Settings(home=home, artifacts_url=url)) as database:
        tables = TableStore(database.home, database)
        current = tables.current("judge/critiques", "b")
        first = 1 if current is None else int(current.run_id.removeprefix("run-")) + 1
        for number in count(first):
            rows = pa.table(
                {
                    "entry_id": [f"b/{row}" for row in range(4500)],
                    "photo_id": [f"photo-{row}" for row in range(4500)],
                    "made_by": [number] * 4500,
                }
            )
            current = tables.publish(
                asset="judge/critiques", batch="b", run_id=f"run-{number}", table=rows, expected=current
            )
            os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
