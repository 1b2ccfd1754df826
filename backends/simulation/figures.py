"""What a play comes to: how long all of it took, who waited how long, how often models were switched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from backends.leases.state import Priority
    from backends.simulation.playing import Played


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that requests of one priority waited for their lease; None if there were none."""

    requests: int
    p50_s: float | None
    p95_s: float | None
    longest_s: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one play.

    Attributes:
        makespan_s: From the start to the last answer.
        switches: Residents that had to make room for another model.
        loads: Models that were loaded.
        busy: Share of the makespan in which a device answered somebody, the mean over the devices.
        switching: Share of it in which a device loaded or unloaded.
        interactive: Waits of those who chat.
        batch: Waits of batches.
        left_waiting: Requests that were never answered.
    """

    makespan_s: float
    switches: int
    loads: int
    busy: float
    switching: float
    interactive: Waits
    batch: Waits
    left_waiting: int


def figures(played: Played) -> Figures:
    """The figures of a play."""
    makespan = max((one.answered_s for one in played.served), default=0.0)
    requests = [_covered(played, device.name, {"request"}) for device in played.devices]
    switching = [_covered(played, device.name, {"load", "unload"}) for device in played.devices]
    return Figures(
        makespan_s=makespan,
        switches=played.evictions,
        loads=sum(span.kind == "load" for span in played.spans),
        busy=sum(requests) / (makespan * len(requests)) if makespan else 0.0,
        switching=sum(switching) / (makespan * len(switching)) if makespan else 0.0,
        interactive=_waits(played, "interactive"),
        batch=_waits(played, "batch"),
        left_waiting=played.left_waiting,
    )


def _waits(played: Played, priority: Priority) -> Waits:
    waits = [one.wait_s for one in played.served if one.priority == priority]
    if not waits:
        return Waits(0, None, None, None)
    p50, p95 = np.percentile(waits, [50, 95])
    return Waits(len(waits), float(p50), float(p95), max(waits))


def _covered(played: Played, device: str, kinds: set[str]) -> float:
    """Seconds that spans of these kinds cover on the device, overlaps counted once."""
    spans = sorted(
        (span.start_s, span.end_s) for span in played.spans if span.device == device and span.kind in kinds
    )
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
