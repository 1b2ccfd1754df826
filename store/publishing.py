"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from store.errors import PublishFailed
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY_SUFFIX = ".publishing"

_LEFT_BEHIND_S: Final = 3600
"""Age from which a file that is not whole yet is nobody's: it is written in seconds."""


def publish_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a reader sees the old file or the new one, also after a crash.

    Written beside its place under a hidden name, synced, renamed; then the folder is synced. Folders on
    the way are made. When this returns, the file survives a power loss. What killed publishers left in the
    folder is removed once it is an hour old.

    Args:
        path: Where; any name the file system takes, UTF-8 or not.
        data: The whole content.

    Raises:
        PublishFailed: It could not be written; what was there is untouched.
    """
    temporary = path.parent / f".{uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        make_folder(path.parent)
        _sweep(path.parent)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise PublishFailed(
            f"{path_text(path)} could not be written: {error.strerror or error}. "
            "Free space or fix the permissions of its folder, then do it again."
        ) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and what it stands in, each durably.

    Raises:
        OSError: It cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power loss.

    Raises:
        OSError: The folder cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove what killed publishers left in a folder.

    Their age tells, and no lock: on a disk that hosts share, one on a folder holds on its own host alone (NFS), and a
    publisher on another would lose what it is writing.
    """
    for left in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        # It may be gone since, by its publisher or by another sweep.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                left.unlink()
