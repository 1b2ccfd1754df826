"""exiftool, started when needed and kept warm (`-stay_open`): the one writer of sidecars, and a reader of HEIC.

A driver of our own: PyExifTool (0.5.6) waits for ever on a file that exiftool hangs on, and splits an argument that
holds a line break into two. Here no argument holds anything that a person or a file said: values travel in a packet of
their own, and files by names of ours in a folder of ours.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from photos.metadata.errors import ExifToolMissing, ToolCrashed, ToolFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS_PER_REQUEST = 60
"""A sidecar takes some milliseconds."""

_CHILD = Path(__file__).with_name("exiftool_child.py")
_READY = b"{ready1}\n"
"""With a number, as a quiet exiftool says nothing to `-execute` alone."""

_COPIED = ("-XMP:all",)


def installed() -> str | None:
    """The program's path, or None where it is not installed."""
    return shutil.which("exiftool")


class ExifTool:
    """One warm process; requests from several threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it is not running."""
        return None if self._process is None else self._process.pid

    def rewritten(self, old: bytes | None, values: bytes, assignments: Sequence[str]) -> bytes:
        """A sidecar with some properties replaced.

        Args:
            old: the sidecar's bytes; None makes a new one.
            values: a packet that holds the values.
            assignments: what to take from it or to take out, such as `-XMP-dc:Title-x-default<XMP-dc:Title`.

        Raises:
            ExifToolMissing: it is not installed.
            ToolFailed: exiftool says that it could not do it.
            ToolCrashed: it died, or was killed for taking too long; the next request starts another.
            OSError: no room for the files that it works with.
        """
        with self._workplace() as place:
            given, made = place / "values.xmp", place / "made.xmp"
            given.write_bytes(values)
            source = []
            if old is not None:
                (place / "old.xmp").write_bytes(old)
                source = ["-o", f"{place}/made.xmp", f"{place}/old.xmp"]
            target = source or [f"{place}/made.xmp"]
            said = self._execute("-tagsFromFile", f"{place}/values.xmp", *assignments, *target)
            return _result(made, said)

    def packet(self, photo: Path) -> bytes:
        """What XMP a photo holds, as a packet; empty where it holds none.

        Raises:
            ExifToolMissing: it is not installed.
            ToolFailed: it cannot make sense of the file.
            ToolCrashed: it died, or was killed for taking too long.
            OSError: no room for the files that it works with.
        """
        with self._workplace() as place:
            # A link, as a photo's name may hold anything.
            (place / "photo").symlink_to(photo.absolute())
            made = place / "made.xmp"
            said = self._execute("-tagsFromFile", f"{place}/photo", *_COPIED, f"{place}/made.xmp")
            if not made.exists() and "No writable tags set" in said:
                return b""
            return _result(made, said)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        with self._lock, tempfile.TemporaryDirectory(prefix="imageworks-") as place:
            yield Path(place)

    def _execute(self, *arguments: str) -> str:
        process = self._running()
        try:
            return self._exchange(process, os.fsencode("\n".join((*arguments, "-execute1", ""))))
        except (ToolCrashed, OSError) as problem:
            self._stop()
            if isinstance(problem, ToolCrashed):
                raise
            raise ToolCrashed(f"exiftool ended while it was asked: {problem}") from problem
        except BaseException:
            # An interrupt between question and answer: the answer must not meet the next question.
            self._stop()
            raise

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is None:
            program = installed()
            if program is None:
                raise ExifToolMissing(
                    "sidecars are written with exiftool, which is not installed here; install it "
                    "(Debian: libimage-exiftool-perl) and run it again"
                )
            # An empty configuration: nobody's Perl runs here. No Ctrl-C: a group of its own.
            asked = (program, "-config", "", "-stay_open", "True", "-@", "-", "-common_args", "-q")
            self._process = subprocess.Popen(  # noqa: S603 - our own script, by our own interpreter
                [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), *asked],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                process_group=0,
                env={**os.environ, "LC_ALL": "C"},
            )
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], question: bytes) -> str:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
            raise ToolCrashed("exiftool has no pipes")
        while question:
            question = question[process.stdin.write(question) or 0 :]
        deadline, said = monotonic() + SECONDS_PER_REQUEST, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not said.endswith(_READY):
                if not selector.select(deadline - monotonic()):
                    raise ToolCrashed(f"exiftool gave no answer in {SECONDS_PER_REQUEST} s and was killed")
                received = os.read(process.stdout.fileno(), 1 << 16)
                if not received:
                    code = process.wait()
                    raise ToolCrashed(f"exiftool died on this file (exit status {code})")
                said += received
        return said.removesuffix(_READY).decode("utf-8", errors="replace")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # It only ever works in a folder that is thrown away, so there is nothing to wait for.
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _result(made: Path, said: str) -> bytes:
    if not made.exists():
        told = next((line for line in said.splitlines() if line.startswith("Error")), said.strip())
        reason = told.removeprefix("Error: ").split(" - ")[0]
        raise ToolFailed(f"exiftool could not do it: {reason or 'it gave no reason'}")
    return made.read_bytes()
