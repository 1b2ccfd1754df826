"""Sixteen processes over three devices and eight models, killed and stopped at random: `python -m bench stress`.

It takes minutes. The servers judge: memory that is exceeded, more at once on a resident than it takes, a lease used
twice. A waiter that is refused is a violation too.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lease_crowd import Crowd, crowded_host, write_config
from model_host import serving

from backends.leases.attending import POLL_S
from bench.result import Result
from store.database import StateDatabase
from store.settings import Settings

PROCESSES = 16
EACH = 1000
WITHIN_S = 3600.0


def run(each: int = EACH) -> list[Result]:
    """Let each process acquire so many leases, and count."""
    host = crowded_host()
    with tempfile.TemporaryDirectory() as place, serving(host) as url:
        folder = Path(place)
        write_config(folder, url, poll_s=POLL_S)
        # Its tables are there before the crowd is.
        with StateDatabase.open(Settings(home=folder / "home")):
            began = time.monotonic()
            crowd = Crowd(folder / "config.json", processes=PROCESSES, each=each, seed=7)
            crowd.run(within_s=WITHIN_S)
            seconds = time.monotonic() - began
    acquired = [line for line in crowd.told if "waited" in line]
    refused = [line for line in crowd.told if line.get("refused")]
    return [
        Result("lease_violations", len(host.violations) + len(refused), "", 0.0),
        Result("lease_acquisitions", len(acquired), ""),
        Result("lease_acquisitions_a_second", len(acquired) / seconds, "1/s"),
        Result("longest_lease_wait", max(line["waited"] for line in acquired), "s"),
        Result("processes_killed", crowd.killed, ""),
        Result("processes_stopped", crowd.stopped, ""),
    ]
