"""Reading spool files: every whole line that its checksum vouches for, and word of every other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from telemetry.errors import EventFormatError, NewerEvent
from telemetry.events import Event, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPOOL_PATTERN: Final = "spool-*.jsonl"
LONGEST_LINE: Final = 1024 * 1024
"""Bytes after which a line without an end is taken for damage; an event is about one thousand."""

_LINE: Final = re.compile(rb'\{"seq":(\d{1,19}),"crc":(\d{1,10}),"event":(\{.*\})\}')


@dataclass(frozen=True, slots=True)
class BadLine:
    """A stretch of a spool that holds no event.

    Attributes:
        offset: Its place in the file, in bytes.
        content: The bytes themselves.
        reason: What is wrong with them.
        is_tail: Whether it is the end of the file without a newline: a write that was cut off.
    """

    offset: int
    content: bytes
    reason: str
    is_tail: bool


def spool_files(folder: Path) -> list[Path]:
    """The spool files in a folder, by name."""
    return sorted(folder.glob(SPOOL_PATTERN))


def read_spool(path: Path) -> Iterator[Event | BadLine]:
    """The events of a spool file in order, and what stands between them.

    A tail without its newline is an event all the same when its checksum is right. Memory is bounded by the
    longest line.

    Raises:
        NewerEvent: The file was written by a newer version of this program.
        OSError: The file cannot be read.
    """
    offset = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            is_tail = not line.endswith(b"\n") and len(line) < LONGEST_LINE
            yield _read_line(line.removesuffix(b"\n"), offset, is_tail=is_tail)
            offset += len(line)


def _read_line(line: bytes, offset: int, *, is_tail: bool) -> Event | BadLine:
    found = _LINE.fullmatch(line)
    if found is None:
        reason = "the line is cut off" if is_tail else "the line is no spooled event"
        return BadLine(offset, line, reason, is_tail)
    seq, crc, body = found.groups()
    if crc32(body) != int(crc):
        return BadLine(offset, line, "the checksum is wrong", is_tail)
    try:
        return from_json(body, seq=int(seq))
    except NewerEvent:
        raise
    except EventFormatError as error:
        return BadLine(offset, line, str(error), is_tail)
