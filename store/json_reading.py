"""JSON of other people's, read in bounds and so that everybody reads it alike."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_DEPTH: Final = 64


class JsonError(ValueError):
    """A text or file is no JSON that everybody reads alike; the message begins with what it is called."""


def read_json(path: Path, *, max_bytes: int) -> Any:
    """The value that a file holds.

    Args:
        path: A regular file of UTF-8, with a byte order mark or without.
        max_bytes: The largest file that is read.

    Raises:
        JsonError: It cannot be read, is larger, or is none.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise JsonError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise JsonError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > max_bytes:
        raise JsonError(f"{path}: is larger than {max_bytes // 1024} KiB, the limit")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonError(f"{path}: is not UTF-8: {error.reason}; save it as UTF-8") from error
    return parse_json(text, str(path))


def parse_json(text: str, source: str) -> Any:
    """The value of a JSON text.

    Args:
        text: The text.
        source: What to call it in an error.

    Raises:
        JsonError: It is none, names a field twice, has NaN or Infinity, or is nested too deeply.
    """

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a field stands twice")
        return found

    def refused(constant: str) -> Any:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refused)
        _bounded(value)
    except (ValueError, RecursionError) as error:
        raise JsonError(f"{source}: is not JSON that can be read: {error}") from error
    return value


def _bounded(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
