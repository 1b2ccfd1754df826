"""The parent's side of the metadata process: started when needed, kept warm, started anew after a crash."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from photos.metadata.errors import InvalidFields, MetadataUnreadable, ToolCrashed, ToolFailed
from photos.metadata.exiv2_worker import SECONDS_PER_REQUEST

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = SECONDS_PER_REQUEST + 10
"""The process's own alarm comes first; this is for one that is stopped or swapped out."""

_ROOT = Path(__file__).parents[2]


class MetadataProcess:
    """One warm process; requests from several threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Its process id, or None while it is not running."""
        return None if self._process is None else self._process.pid

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            MetadataUnreadable: the file's metadata is damaged.
            InvalidFields: what is to be written cannot stand in the file.
            ToolCrashed: the process died, or was killed for taking too long; the next request starts another.
            ToolFailed: the process says that it could not do it.
        """
        with self._lock:
            process = self._running()
            try:
                reply = self._exchange(process, json.dumps(request).encode() + b"\n")
            except (ToolCrashed, OSError) as problem:
                self._stop()
                if isinstance(problem, ToolCrashed):
                    raise
                raise ToolCrashed(f"the metadata process ended while it was asked: {problem}") from problem
            except BaseException:
                # An interrupt between question and answer: the answer must not meet the next question.
                self._stop()
                raise
        if "error" not in reply:
            return reply
        for told in (MetadataUnreadable, InvalidFields):
            if reply["error"] == told.error_class:
                raise told(reply["message"])
        raise ToolFailed(reply["message"])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is None:
            paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._process = subprocess.Popen(  # our own module, by our own interpreter
                [sys.executable, "-P", "-m", "photos.metadata.exiv2_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
            self._left = b""
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
            raise ToolCrashed("the metadata process has no pipes")
        while line:
            line = line[process.stdin.write(line) or 0 :]
        deadline = monotonic() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._left:
                if not selector.select(deadline - monotonic()):
                    raise ToolCrashed(f"the metadata process gave no answer in {_PATIENCE} s and was killed")
                received = os.read(process.stdout.fileno(), 1 << 16)
                if not received:
                    code = process.wait()
                    raise ToolCrashed(f"the metadata process died on this file (exit status {code})")
                self._left += received
        answer, self._left = self._left.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(answer)
        return reply

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # It only ever works on copies that are thrown away, so there is nothing to wait for.
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
