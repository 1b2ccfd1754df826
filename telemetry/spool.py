"""The spool: where a process leaves its records, so that a kill cannot take them nor a full disk take a run.

One file per process, one ``os.write`` per record, one line per record, which names its kind::

    {"seq":12,"crc":3735928559,"event":{…}}
    {"seq":13,"crc":2779096485,"decision":{…}}

``crc`` is the CRC-32 of the record's bytes as they stand in the line, begun with the seed of its kind. A written
line survives SIGKILL at once, and a power cut after the next ``fdatasync``, which is done for many lines together.
The file is locked (``flock``) while its process lives, which is how compaction tells a live spool from a dead one.
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
from weakref import WeakSet
from zlib import crc32

from store.publishing import sync_folder
from telemetry.record_json import to_json
from telemetry.record_kinds import KIND_OF
from telemetry.spool_reading import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from telemetry.record_kinds import Record

_LOG: Final = logging.getLogger(__name__)
_SERIAL: Final = itertools.count()
_SPOOLS: Final[WeakSet[Spool]] = WeakSet()
_OPEN_TRIES: Final = 8
# Files that wait for their sync; a process has few descriptors.
_MOST_LEFT: Final = 8


class Spool:
    """Appends records to this process's spool file. Safe to use from several threads; never raises once made.

    A write or sync that fails (disk full, I/O error) closes the file for good, since a descriptor whose sync
    failed cannot be trusted again; the next record opens a new one. Records whose sync failed are written once
    more, into a new file: readers know a double by its id. Records that are lost in spite of this are counted.

    Attributes:
        dropped: Records that could not be written, since the spool was made.
        unsynced: Records that were written, but whose sync failed twice: a power cut may take them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sync_every_s: float = 0.5,
        rotate_bytes: int = 32 * 1024 * 1024,
        rotate_after_s: float = 3600,
    ) -> None:
        """Make a spool; its file appears with the first record.

        Args:
            folder: The spool folder (``Home.spool``); made if it is not there.
            sync_every_s: Longest time that a written record waits for ``fdatasync``.
            rotate_bytes: Size after which the next file is begun.
            rotate_after_s: Age after which the file is closed, so that a server's records are compacted too.
        """
        self._folder = folder
        self._sync_every_s = sync_every_s
        self._rotate_bytes = rotate_bytes
        self._rotate_after_s = rotate_after_s
        # Held for a write; who holds both took the other one first.
        self._lock = threading.Lock()
        # Held for a sync: nobody else closes a file that has records.
        self._syncing = threading.Lock()
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._syncer: threading.Thread | None = None
        self._fd: int | None = None
        self._path: Path | None = None
        self._left: list[int] = []
        self._opened_at = 0.0
        self._size = 0
        self._written = 0
        # The lines that are written and not known to be on the disk, the oldest first; all before them are.
        self._waiting: list[bytes] = []
        self._failing = False
        self._closed = False
        self.dropped = 0
        self.unsynced = 0
        _SPOOLS.add(self)

    @property
    def failing(self) -> bool:
        """Whether the last write or sync failed. Show it to people: records are being lost."""
        return self._failing

    @property
    def path(self) -> Path | None:
        """The file that is open now."""
        return self._path

    def append(self, record: Record) -> bool:
        """Write one record. It survives SIGKILL when this returns True; it is counted as dropped otherwise."""
        try:
            kind = KIND_OF[type(record)]
            body = to_json(record)
        except Exception:  # noqa: BLE001 - whatever is wrong with a record, its inference goes on
            _LOG.exception(
                "A telemetry record of class %s could not be serialized; it is dropped.",
                type(record).__name__,
            )
            self.dropped += 1
            return False
        tail = kind.line_end % (crc32(body, kind.seed), body)
        with self._lock:
            if self._closed:
                return self._drop(OSError("the spool is closed"))
            line = b'{"seq":%d%b' % (self._written, tail)
            if len(line) > LONGEST_LINE:
                _LOG.error(
                    "The %s %s has %d bytes, which no reader takes; it is dropped.",
                    kind.word,
                    kind.id_of(record),
                    len(line),
                )
                self.dropped += 1
                return False
            # A file that fails is left, and the same record is tried once more in a new one.
            if not (self._write(line) or self._write(line)):
                self.dropped += 1
                return False
            self._written += 1
            self._waiting.append(line)
            if not self._dirty.is_set():
                self._dirty.set()
            if self._size >= self._rotate_bytes:
                self._leave()
            crowded = len(self._left) >= _MOST_LEFT
        if crowded:
            self.sync()
        return True

    def sync(self) -> bool:
        """Wait until every record that was written so far is on the disk.

        Returns:
            Whether all of them are. Once some are `unsynced` this stays False: the caller may mean one of those.
        """
        with self._syncing:
            if not (self._sync_files() or (self._write_again() and self._sync_files())):
                self._give_up()
            return not self.unsynced

    def close(self) -> None:
        """Sync and close the spool. Records appended later are dropped and counted."""
        self._closing.set()
        self._dirty.set()
        syncer = self._syncer
        if syncer is not None and syncer is not threading.current_thread():
            syncer.join()
        with self._lock:
            self._closed = True
            self._leave()
        self.sync()

    def part_from_parent(self) -> None:
        """In a child that was just forked, let go of the parent's files and of what its threads held.

        A file's lock stays the parent's when our copy of the descriptor is closed.
        """
        _close(self._left if self._fd is None else [*self._left, self._fd])
        self._fd, self._path, self._left = None, None, []
        self._waiting = []
        self._lock, self._syncing, self._dirty = threading.Lock(), threading.Lock(), threading.Event()
        self._syncer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, lines: bytes) -> bool:
        """Write into the open file, or a new one; leave the file if that fails. Holds the lock."""
        try:
            if self._fd is None:
                self._open()
            assert self._fd is not None  # noqa: S101 - narrows the type; _open sets it or raises
            count = os.write(self._fd, lines)
            if count != len(lines):
                raise OSError(f"only {count} of {len(lines)} bytes could be written")  # noqa: TRY301 - one way to fail
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            self._fail(error)
            self._leave()
            return False
        self._size += len(lines)
        if self._failing:
            _LOG.warning("The telemetry spool works again; %d records were dropped meanwhile.", self.dropped)
            self._failing = False
        return True

    def _open(self) -> None:
        """Begin a new file. Holds the lock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fd, self._path = _locked_file(self._folder)
        self._opened_at = time.monotonic()
        self._size = 0
        if not self._closing.is_set() and (self._syncer is None or not self._syncer.is_alive()):
            self._syncer = threading.Thread(target=self._keep_syncing, name="telemetry-spool", daemon=True)
            self._syncer.start()

    def _leave(self) -> None:
        """Write no more into the open file; the next sync closes it. Remove it if it holds no whole record.

        Holds the lock.
        """
        fd, path = self._fd, self._path
        if fd is None or path is None:
            return
        self._fd, self._path = None, None
        if self._size:
            self._left.append(fd)
            self._dirty.set()
            return
        # Nothing but a torn line, if anything: a full disk must not fill with such files.
        with contextlib.suppress(OSError):
            path.unlink()
        _close([fd])

    def _sync_files(self) -> bool:
        """Sync the files that hold waiting records, and close those that were left. Holds `_syncing`.

        After a failure all are closed: none of them is trusted with another sync.
        """
        with self._lock:
            self._dirty.clear()
            waiting = len(self._waiting)
            left, self._left = self._left, []
            files = [fd for fd in (*left, self._fd) if fd is not None] if waiting else []
        try:
            for fd in files:
                os.fdatasync(fd)
        except OSError as error:
            with self._lock:
                self._fail(error)
                self._leave()
                left += self._left
                self._left = []
            _close(left)
            return False
        _close(left)
        with self._lock:
            del self._waiting[:waiting]
        return True

    def _write_again(self) -> bool:
        """Put the records that wait for a sync into a file of their own. Holds `_syncing`."""
        with self._lock:
            written = self._write(b"".join(self._waiting))
            self._leave()
        return written

    def _give_up(self) -> None:
        """Count the waiting records as such that a power cut may take. Holds `_syncing`."""
        with self._lock:
            self.unsynced += len(self._waiting)
            self._waiting = []
            _close(self._left)
            self._left = []

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            _LOG.error(
                "The telemetry spool %s cannot be written: %s. Work goes on, but records are lost until this "
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
            with self._lock:
                if time.monotonic() - self._opened_at >= self._rotate_after_s:
                    self._leave()
            self.sync()


def _part_from_parent() -> None:
    for spool in _SPOOLS:
        spool.part_from_parent()


os.register_at_fork(after_in_child=_part_from_parent)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


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
