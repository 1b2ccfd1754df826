"""One holder at a time, across threads and processes, by a lock on a file."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None] | None = None, shared: bool = False) -> Iterator[None]:
    """Hold the exclusive lock on `path` (made when missing) for the length of the block.

    The kernel releases it when the holder dies. Not reentrant: a thread that asks twice waits for itself. A wait in
    the main thread ends at once when a signal's handler raises.

    Args:
        path: The file.
        waiting: Called once, if somebody else holds the lock, before the wait.
        shared: Hold it together with others who share it, so that only who wants it alone has to wait.

    Raises:
        OSError: The file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
