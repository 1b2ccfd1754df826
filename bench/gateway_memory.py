"""The gateway's memory over 100,000 requests: `python -m bench gateway_memory`. It takes minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import psutil

from bench.gateway import SOME, at_once_server, load, own_gateway
from bench.http_load import carried
from bench.result import Result

FIRST, ALL = 10_000, 100_000


def run() -> list[Result]:
    """Memory in use after the first of them, and after all."""
    with (
        tempfile.TemporaryDirectory() as place,
        at_once_server() as url,
        own_gateway(Path(place), url) as ours,
    ):
        process = psutil.Process(ours.pid)
        carried(load(ours, SOME, requests=FIRST))
        before = process.memory_info().rss
        carried(load(ours, SOME, requests=ALL - FIRST))
        after = process.memory_info().rss
    return [
        Result("gateway_memory_after_100000_over_10000", after / before, "ratio", 1.1),
        Result("gateway_memory_after_100000", after / 2**20, "MiB"),
    ]
