"""What a check found, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "look", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: What was looked at, in one word.
        level: ok; look: somebody should look at it, and work goes on; broken: something does not work.
        words: What is so.
        remedy: What to do; empty where all is well.
    """

    check: str
    level: Level
    words: str
    remedy: str = ""
