"""A materialization of all judge stages on 10,000 photos that are known: nothing to measure, nothing to ask.

The rules let near-duplicates pass. What is found of them is kept, and read again in a moment; to find it takes, of so
many photos, most of an hour, once, and `python -m bench detectors` says what it takes of a thousand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.photographs import make_folder
from bench.platform import Bench
from bench.result import Result

PHOTOS = 10_000
RULES = """\
[competition.bench]
name = "Bench"
[competition.bench.rules]
on_near_duplicates = "pass"
"""


def run() -> list[Result]:
    """Judge once with the baseline, then again, which is what is timed."""
    with tempfile.TemporaryDirectory() as place:
        folder = make_folder(Path(place) / "photos", PHOTOS, width=320, height=240)
        rules = Path(place) / "rules.toml"
        rules.write_text(RULES, encoding="utf-8")
        bench = Bench(Path(place) / "home", folder, rules=rules)
        first = bench.run()
        again = bench.run()
        asked = sum(stage.asked for stage in again.manifest.stages.values())
        if asked:
            raise AssertionError(f"a run that changes nothing asked {asked} requests")
    return [
        Result("noop_10000_known_photos", again.seconds, "s", 20.0),
        Result("first_run_10000_photos", first.seconds, "s"),
    ]
