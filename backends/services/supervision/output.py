"""The last lines that a model server wrote, in bounded memory."""

from __future__ import annotations

from collections import deque
from typing import Final

KEPT_LINES: Final = 2000
LONGEST_LINE: Final = 2000
"""Bytes; the rest of a longer line is dropped."""


class Output:
    """A ring of lines; of a line that was written over (a progress bar) only the last state is kept."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._begun = bytearray()
        self._returned = False

    def feed(self, data: bytes) -> None:
        """Take what the server wrote, cut anywhere."""
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._extend(line)
            self._lines.append(self._begun.decode("utf-8", "replace"))
            self._begun.clear()
            self._returned = False
        self._extend(rest)

    def last(self, count: int) -> list[str]:
        """The last lines, oldest first, one that is not ended yet included."""
        lines = [*self._lines, self._begun.decode("utf-8", "replace")] if self._begun else list(self._lines)
        return lines[-count:]

    def _extend(self, part: bytes) -> None:
        # A line may end in \r\n; what stands before any other \r was written over.
        text = part.rstrip(b"\r")
        _, written_over, last = text.rpartition(b"\r")
        if written_over or (self._returned and text):
            self._begun.clear()
        self._begun += last[: LONGEST_LINE - len(self._begun)]
        if part:
            self._returned = part.endswith(b"\r")
