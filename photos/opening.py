"""Opening a photo's file: only regular files, never blocking, with the system's refusals told in words."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from photos.containers.reading import BrokenStructure, CutShort
from photos.errors import Damaged, EmptyFile, FileTooLarge, Truncated, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE_BYTES = 300 << 20
"""The largest file that is read into memory, unless the caller says otherwise."""


@contextmanager
def open_photo(path: Path, *, max_file_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Args:
        path: The file.
        max_file_bytes: Refuse larger ones; None reads any size.

    Raises:
        Unreadable: The system refuses, or it is a folder, pipe, socket or device.
        FileTooLarge: It has more bytes than the limit.
    """
    try:
        # A pipe would block a plain open until somebody writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise Unreadable(
            path, f"cannot be read: {_words(error)}; check that it exists and who may read it"
        ) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Unreadable(
            path, "is no regular file (a folder, pipe, socket or device); remove it from the folder"
        )
    with os.fdopen(descriptor, "rb") as file:
        if max_file_bytes is not None:
            refuse_large(path, status.st_size, max_file_bytes)
        try:
            yield file
        except OSError as error:
            raise Unreadable(
                path, f"stopped being readable: {_words(error)}; check the disk or the network"
            ) from error


def refuse_large(path: Path, size: int, max_file_bytes: int) -> None:
    """Tell a file that has too many bytes.

    Raises:
        FileTooLarge: `size` is above `max_file_bytes`.
    """
    if size > max_file_bytes:
        raise FileTooLarge(
            path,
            f"has {size:,} bytes, more than the {max_file_bytes:,} allowed; save it smaller, or raise "
            "IMAGEWORKS_MAX_FILE_BYTES",
        )


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Name the file in what the container walkers raise.

    Raises:
        Truncated: The structure is cut short.
        Damaged: The structure is broken in another way.
    """
    try:
        yield
    except CutShort as error:
        raise Truncated(path, f"is cut off: {error}; copy it again from where it came from") from error
    except BrokenStructure as error:
        raise Damaged(path, f"is damaged: {error}; open it in an editor and save it again") from error


def refuse_empty(path: Path, header: bytes) -> None:
    """Tell an empty file from one that is no picture.

    Raises:
        EmptyFile: `header`, read from the file's start, is empty.
    """
    if not header:
        raise EmptyFile(path, "is empty (0 bytes); copy it again from where it came from")


def _words(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
