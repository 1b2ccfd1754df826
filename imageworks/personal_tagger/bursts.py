"""Bursts: frames that were taken one right after the other, and which of them can share one answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class Frame:
    """One photo as a burst sees it.

    Attributes:
        entry_id: Names it.
        relative_path: Its file, below the batch's folder.
        captured_at: ISO 8601, or None.
        sharpness: As measured; of alike frames the sharpest is asked about.
    """

    entry_id: str
    relative_path: str
    captured_at: str | None
    sharpness: float = 0.0

    @property
    def moment(self) -> datetime | None:
        """When, by the camera's clock, without the offset that only some files have; None where nobody can say."""
        try:
            return datetime.fromisoformat(self.captured_at or "").replace(tzinfo=None)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Burst:
    """Two or more frames of one folder, in the order in which they were taken, and the seconds from first to last."""

    frames: tuple[Frame, ...]
    seconds: float


def find_bursts(frames: Sequence[Frame], *, gap_s: float) -> list[Burst]:
    """Runs of frames of one folder, each at most ``gap_s`` seconds after the one before."""
    timed = sorted(
        (PurePosixPath(frame.relative_path).parent, moment, frame.relative_path, frame)
        for frame in frames
        if (moment := frame.moment) is not None
    )
    runs: list[list[tuple[datetime, Frame]]] = []
    before: tuple[PurePosixPath, datetime] | None = None
    for folder, moment, _, frame in timed:
        goes_on = before is not None and before[0] == folder and (moment - before[1]).total_seconds() <= gap_s
        if goes_on:
            runs[-1].append((moment, frame))
        else:
            runs.append([(moment, frame)])
        before = folder, moment
    return [
        Burst(tuple(frame for _, frame in run), (run[-1][0] - run[0][0]).total_seconds())
        for run in runs
        if len(run) > 1
    ]


def leads(burst: Burst, alike: Collection[frozenset[str]]) -> dict[str, str]:
    """Which frame's answer a frame carries, by entry; frames that are asked about themselves are not in it.

    The sharpest frame speaks for all that look like it, then the sharpest of the rest: everyone looks like the one
    that speaks for them, and not only like somebody who does.

    Args:
        burst: The burst.
        alike: Pairs of entries whose pictures show the same.
    """
    left = sorted(burst.frames, key=lambda frame: (-frame.sharpness, frame.relative_path))
    carried: dict[str, str] = {}
    while left:
        lead, *others = left
        mine = [other for other in others if frozenset({lead.entry_id, other.entry_id}) in alike]
        carried |= {other.entry_id: lead.entry_id for other in mine}
        left = [other for other in others if other not in mine]
    return carried
