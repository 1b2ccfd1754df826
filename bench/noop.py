"""A materialization of all judge stages on 10,000 photos that are known: nothing to measure, nothing to ask."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.photographs import make_folder
from bench.platform import Bench
from bench.result import Result

PHOTOS = 10_000


def run() -> list[Result]:
    """Judge once with the baseline, then again, which is what is timed."""
    with tempfile.TemporaryDirectory() as place:
        folder = make_folder(Path(place) / "photos", PHOTOS, width=320, height=240)
        bench = Bench(Path(place) / "home", folder)
        first = bench.run()
        again = bench.run()
        asked = sum(stage.asked for stage in again.manifest.stages.values())
        if asked:
            raise AssertionError(f"a run that changes nothing asked {asked} requests")
    return [
        Result("noop_10000_known_photos", again.seconds, "s", 20.0),
        Result("first_run_10000_photos", first.seconds, "s"),
    ]
