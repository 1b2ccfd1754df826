"""The spool: where a process leaves its events, so that a kill cannot take them nor a full disk take a run.

One file per process, one ``os.write`` per event, one line per event::

    {"seq":12,"crc":3735928559,"event":{…}}

``crc`` is the CRC-32 of the event's bytes as they stand in the line. A written line survives SIGKILL at once,
and a power cut after the next ``fdatasync``, which is done for many lines together. The file is locked
(``flock``) while its process lives, which is how compaction tells a live spool from a dead one.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import logging
import os
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, Self
from zlib import crc32

from store.publishing import sync_folder
from telemetry.events import Event, to_json

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_LOG: Final = logging.getLogger(__name__)
_SERIAL: Final = itertools.count()
_OPEN_TRIES: Final = 8


class Spool:
    """Appends events to this process's spool file. Safe to use from several threads; never raises once made.

    A write or sync that fails (disk full, I/O error) closes the file for good, since a descriptor whose sync
    failed cannot be trusted again; the next event opens a new one. Events that could not be written are
    counted.

    Attributes:
        dropped: Events that could not be written, since the spool was made.
        unsynced: Events that were written, but whose sync failed: a power cut may take them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_every_s: float = 0.5,
        rotate_bytes: int = 32 * 1024 * 1024,
        rotate_after_s: float = 3600,
    ) -> None:
        """Make a spool; its file appears with the first event.

        Args:
            folder: The spool folder (``Home.spool``); made if it is not there.
            sync_every_s: Longest time that a written event waits for ``fdatasync``.
            rotate_bytes: Size after which the next file is begun.
            rotate_after_s: Age after which the file is closed, so that a server's events are compacted too.
        """
        self._folder = folder
        self._sync_every_s = sync_every_s
        self._rotate_bytes = rotate_bytes
        self._rotate_after_s = rotate_after_s
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._syncer: threading.Thread | None = None
        self._fd: int | None = None
        self._path: Path | None = None
        self._opened_at = 0.0
        self._size = 0
        self._pending = 0
        self._seq = 0
        self._pid = 0
        self._failing = False
        self._closed = False
        self.dropped = 0
        self.unsynced = 0

    @property
    def failing(self) -> bool:
        """Whether the last write or sync failed. Show it to people: events are being lost."""
        return self._failing

    @property
    def path(self) -> Path | None:
        """The file that is open now."""
        return self._path

    def append(self, event: Event) -> bool:
        """Write one event. It survives SIGKILL when this returns True; it is counted as dropped otherwise."""
        try:
            body = to_json(event)
        except Exception:  # noqa: BLE001 - whatever is wrong with an event, its inference goes on
            _LOG.exception("An event of stage %r could not be serialized; it is dropped.", event.stage)
            self.dropped += 1
            return False
        tail = b',"crc":%d,"event":%b}\n' % (crc32(body), body)
        with self._lock:
            if self._closed:
                return self._drop(OSError("the spool is closed"))
            line = b'{"seq":%d%b' % (self._seq, tail)
            # A file that fails is left, and the same event is tried once more in a new one.
            written = self._write(line) or self._write(line)
            if not written:
                self.dropped += 1
                return False
            self._seq += 1
            self._pending += 1
            if not self._dirty.is_set():
                self._dirty.set()
            if self._size >= self._rotate_bytes:
                self._leave(sync=True)
            return True

    def sync(self) -> bool:
        """Wait until all written events are on the disk; False if that failed."""
        with self._lock:
            self._dirty.clear()
            pending, self._pending = self._pending, 0
            if self._fd is None or self._pid != os.getpid():
                return not self._failing
            path = self._path
            # Synced through a duplicate, so that appends go on and a rotation may close the file meanwhile.
            duplicate = os.dup(self._fd)
        try:
            os.fdatasync(duplicate)
        except OSError as error:
            with self._lock:
                self.unsynced += pending
                self._fail(error)
                if self._path == path:
                    self._leave(sync=False)
            return False
        finally:
            os.close(duplicate)
        return True

    def rotate(self) -> None:
        """Sync and close the file, so that compaction may take it; the next event opens a new one."""
        with self._lock:
            self._leave(sync=True)

    def close(self) -> None:
        """Sync and close the spool. Events appended later are dropped and counted."""
        self._closing.set()
        self._dirty.set()
        syncer = self._syncer
        if syncer is not None and syncer is not threading.current_thread() and self._pid == os.getpid():
            syncer.join()
        with self._lock:
            self._leave(sync=True)
            self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, line: bytes) -> bool:
        """Write the line into the open file, or a new one; leave the file if that fails. Holds the lock."""
        try:
            if self._fd is None or self._pid != os.getpid():
                self._open()
            assert self._fd is not None  # noqa: S101 - narrows the type; _open sets it or raises
            count = os.write(self._fd, line)
            if count != len(line):
                raise OSError(f"only {count} of {len(line)} bytes could be written")  # noqa: TRY301 - one way to fail
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            self._fail(error)
            self._leave(sync=False)
            return False
        self._size += len(line)
        if self._failing:
            _LOG.warning("The telemetry spool works again; %d events were dropped meanwhile.", self.dropped)
            self._failing = False
        return True

    def _open(self) -> None:
        """Begin a new file. Holds the lock."""
        if self._fd is not None:
            # After a fork the parent's descriptor is inherited: closing our copy leaves its lock alone.
            os.close(self._fd)
            self._fd = None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pid = os.getpid()
        self._fd, self._path = _locked_file(self._folder)
        self._opened_at = time.monotonic()
        self._size = 0
        self._pending = 0
        if self._syncer is None or not self._syncer.is_alive():
            self._syncer = threading.Thread(target=self._keep_syncing, name="telemetry-spool", daemon=True)
            self._syncer.start()

    def _leave(self, *, sync: bool) -> None:
        """Close the file if one is open; remove it if it holds no whole event. Holds the lock."""
        fd, path = self._fd, self._path
        if fd is None or path is None:
            return
        self._fd, self._path = None, None
        try:
            if sync and self._pid == os.getpid() and self._pending:
                os.fdatasync(fd)
        except OSError as error:
            self.unsynced += self._pending
            self._fail(error)
        finally:
            self._pending = 0
            if self._size == 0 and self._pid == os.getpid():
                # Nothing but a torn line, if anything: a full disk must not fill with such files.
                with contextlib.suppress(OSError):
                    path.unlink()
            with contextlib.suppress(OSError):
                os.close(fd)

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            _LOG.error(
                "The telemetry spool %s cannot be written: %s. Work goes on, but events are lost until this "
                "is mended.",
                self._folder,
                error,
            )
        self._failing = True

    def _drop(self, error: OSError) -> bool:
        self._fail(error)
        self.dropped += 1
        return False

    def _keep_syncing(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait(timeout=self._rotate_after_s)
            self._closing.wait(timeout=self._sync_every_s)
            if self._closing.is_set():
                return
            self.sync()
            with self._lock:
                if time.monotonic() - self._opened_at >= self._rotate_after_s:
                    self._leave(sync=True)


def _locked_file(folder: Path) -> tuple[int, Path]:
    """A new, empty, locked spool file, known to its folder on the disk."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
    for _ in range(_OPEN_TRIES):
        path = folder / f"spool-{host}-{os.getpid()}-{time.time_ns():x}-{next(_SERIAL)}.jsonl"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            # Compaction may find the file before it is locked, take it for a dead one, and remove it.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                sync_folder(folder)
                return fd, path
        except BlockingIOError:
            pass
        except OSError:
            os.close(fd)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        os.close(fd)
    raise OSError(f"no spool file could be kept in {folder}: another process removes each new one")
