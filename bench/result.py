"""One measured figure, and whether it meets its goal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Result:
    """A figure with its goal: at least, or at most, or none (told for information)."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    sense: Literal["at least", "at most"] = "at most"

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.sense == "at least" else self.value <= self.goal

    def as_dict(self) -> dict[str, Any]:
        """For ``bench/results.json``."""
        goal = None if self.goal is None else f"{self.sense} {self.goal:g}"
        return {**asdict(self), "value": round(self.value, 4), "goal": goal, "met": self.met}
