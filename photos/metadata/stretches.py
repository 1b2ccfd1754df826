"""Files as stretches of bytes, compared in pieces: where two are alike, and how far."""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Buffer = bytes | mmap.mmap

_STEP = 1 << 16
"""Bytes that are compared at once: pieces that stay in a processor's cache."""


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """A file's bytes, read as they are looked at.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:  # which cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def same_bytes(first: Buffer, start: int, second: Buffer, other: int, size: int) -> bool:
    """Whether two stretches of one size are equal, compared in pieces."""
    return all(
        first[start + at : start + min(at + _STEP, size)]
        == second[other + at : other + min(at + _STEP, size)]
        for at in range(0, size, _STEP)
    )


def common_prefix(old: Buffer, new: Buffer) -> int:
    """Bytes that both begin with."""
    limit = min(len(old), len(new))
    for start in range(0, limit, _STEP):
        end = min(start + _STEP, limit)
        if old[start:end] != new[start:end]:
            return start + _alike(old[start:end], new[start:end])
    return limit


def common_suffix(old: Buffer, new: Buffer, *, limit: int, known: int = 0) -> int:
    """Bytes that both end with, at most ``limit``; that many as are ``known`` to be are not compared."""
    for start in range(min(known, limit), limit, _STEP):
        size = min(_STEP, limit - start)
        first = old[len(old) - start - size : len(old) - start]
        second = new[len(new) - start - size : len(new) - start]
        if first != second:
            return start + _alike(first[::-1], second[::-1])
    return limit


def _alike(first: bytes, second: bytes) -> int:
    """How many leading bytes two stretches of one length share; by bisection, as slices compare fast."""
    low, high = 0, len(first)
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
