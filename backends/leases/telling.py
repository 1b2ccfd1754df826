"""Decisions about leases as rows of telemetry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from telemetry.decisions import Decision
from telemetry.events import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.turning import Told
    from telemetry.spool import Spool


@dataclass(frozen=True, slots=True)
class Decisions:
    """Writes down what was decided, and for what work.

    Attributes:
        spool: Where to.
        mode: Whether it is carried out.
        holder: Who decides.
        run_id: Of the run that asks.
        batch: That it works on.
        stage: That asks.
        heard: Hears, from any thread, of what was decided for this holder, and what it carried out.
    """

    spool: Spool
    mode: Literal["enforce", "observe"]
    holder: str
    run_id: str | None = None
    batch: str | None = None
    stage: str | None = None
    heard: Callable[[Told, float | None], None] | None = None

    def __call__(self, told: Told, seconds: float | None = None) -> None:
        """Write one down.

        Args:
            told: What was decided.
            seconds: How long a loading or unloading took.
        """
        waiter = told.waiter
        self.spool.append(
            Decision(
                decision_id=os.urandom(16).hex(),
                decided_at=utc_now(),
                mode=self.mode,
                kind=told.kind,
                model=told.model,
                deployment=told.place.deployment if told.place else None,
                device=told.place.device if told.place else None,
                reason=told.reason,
                priority=waiter.waiter.priority if waiter else None,
                waiter=waiter.waiter.id if waiter else None,
                waited_ms=round(told.waited_s * 1000, 3) if waiter else None,
                holder=waiter.holder if waiter else self.holder,
                token=told.token,
                duration_ms=None if seconds is None else round(seconds * 1000, 3),
                run_id=self.run_id,
                batch=self.batch,
                stage=self.stage,
            )
        )
        # Whoever takes a turn decides for all who wait.
        if self.heard is not None and (waiter is None or waiter.holder == self.holder):
            self.heard(told, seconds)
