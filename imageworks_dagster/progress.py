"""How far a stage is: counted once, shown in the terminal by the command and in the run's log by the UI."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_EVERY_S = 15.0


class ProgressSink(Protocol):
    """Where a stage's progress is shown."""

    def started(self, stage: str, total: int) -> None:
        """A stage begins with ``total`` things to do."""

    def advanced(self, stage: str, done: int, failed: int) -> None:
        """``done`` of them are done, ``failed`` of those without a result."""

    def finished(self, stage: str) -> None:
        """The stage has done all that it had to do."""

    def stopped(self, stage: str) -> None:
        """The stage failed or was interrupted, and goes no further."""


class Silent:
    """Shows nothing: the run's log has the lines."""

    def started(self, stage: str, total: int) -> None:
        """Show nothing."""

    def advanced(self, stage: str, done: int, failed: int) -> None:
        """Show nothing."""

    def finished(self, stage: str) -> None:
        """Show nothing."""

    def stopped(self, stage: str) -> None:
        """Show nothing."""


@dataclass
class StageProgress:
    """Counts what a stage has done; safe to advance from any thread."""

    stage: str
    total: int
    sink: ProgressSink
    log: Callable[[str], None]
    done: int = 0
    failed: int = 0
    _began: float = field(default_factory=time.monotonic)
    _last_line: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, total: int) -> None:
        """There are ``total`` things to do."""
        self.total = total
        self.sink.started(self.stage, total)

    def begin_again(self, total: int) -> None:
        """The same things are gone through once more, for another part of the work; each is still one."""
        with self._lock:
            self.done = 0
        self.expect(total)
        self.sink.advanced(self.stage, 0, self.failed)

    def advance(self, *, failed: bool = False) -> None:
        """One more is done."""
        with self._lock:
            self.done += 1
            self.failed += failed
            done, failures = self.done, self.failed
        self.sink.advanced(self.stage, done, failures)

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Done a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def line(self) -> str:
        """``120/400 · 3.2/s · 1 min 28 s left · 2 failed``."""
        parts = [f"{self.done}/{self.total}", f"{self.rate:.1f}/s"]
        if self.done and self.done < self.total:
            left = int((self.total - self.done) / self.rate)
            parts.append(f"{left // 60} min {left % 60} s left" if left >= 60 else f"{left} s left")  # noqa: PLR2004 - seconds a minute
        if self.failed:
            parts.append(f"{self.failed} failed")
        return " · ".join(parts)

    def tick(self) -> None:
        """Write a line into the run's log, if the last one is long enough ago; call it from the main thread."""
        now = time.monotonic()
        if now - self._last_line >= LOG_EVERY_S:
            self._last_line = now
            self.log(self.line())
