"""Hidden copies beside a photo, under a lock that dies with its process: so leftovers are known as such."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from photos.metadata.errors import DiskFull, ReadOnlyFolder, WriteFailed
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"\.imageworks-[0-9a-f]{16}\.tmp(\.[A-Za-z0-9]{1,8})?")
_PLAIN_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def hidden_copy(original: Path) -> Iterator[Path]:
    """A new, empty, locked file beside `original`, gone at the end unless it was renamed.

    It has the original's extension, which tells some raw files from TIFFs.

    Raises:
        ReadOnlyFolder: no file can be made there.
        DiskFull: there is no room for one more file.
    """
    path, descriptor = _create(original)
    try:
        yield path
    finally:
        # Unlinked under the lock: nobody else can have taken the name for a leftover and made it anew.
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Give the operating system's refusals in our words.

    Raises:
        ReadOnlyFolder: nothing can be written beside `path`.
        DiskFull: no room.
        WriteFailed: any other refusal.
    """
    try:
        yield
    except OSError as problem:
        raise _explained(problem, path) from problem


def _explained(problem: OSError, path: Path) -> WriteFailed | ReadOnlyFolder:
    folder = path_text(path.parent)
    if problem.errno in _FULL:
        return DiskFull(
            f"{folder}: no room for the new version ({problem.strerror}); free some space, run it again"
        )
    if problem.errno in _FORBIDDEN:
        return ReadOnlyFolder(
            f"{folder}: no file can be made here ({problem.strerror}); allow writing in the folder",
        )
    return WriteFailed(f"{folder}: the new version could not be written: {problem.strerror}")


def sweep(folder: Path) -> tuple[Path, ...]:
    """Remove the copies that killed processes left in a folder; those of living ones stay.

    What cannot be opened or removed stays too: a link by such a name, or what another user left.

    Returns:
        What was removed.
    """
    removed = []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
    for name in names:
        path = folder / name
        # A leftover in the way is no reason to leave the photos beside it alone.
        with suppress(OSError):
            if _remove_leftover(path):
                removed.append(path)
    return tuple(removed)


def _remove_leftover(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not _lock(descriptor):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _create(original: Path) -> tuple[Path, int]:
    suffix = original.suffix if _PLAIN_SUFFIX.fullmatch(original.suffix) else ""
    while True:
        path = original.parent / f".imageworks-{secrets.token_hex(8)}.tmp{suffix}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise _explained(problem, path) from problem
        _lock(descriptor)
        # Between making and locking it, a sweep may have taken it for a leftover.
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock if nobody has it; a file system without locks never gives it, and its leftovers stay."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
