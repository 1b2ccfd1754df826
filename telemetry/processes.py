"""Which process this is, and whether another one still lives, safe against reused process ids."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of one boot of one host.

    Attributes:
        host: Host name.
        boot_id: Id of the boot, empty where the system does not tell.
        pid: Process id.
        started: Start of the process in clock ticks since the boot, empty where the system does not tell.
    """

    host: str
    boot_id: str
    pid: int
    started: int | None

    def is_gone(self) -> bool:
        """Whether the process is known to have ended; False for a process of another host."""
        if self.host != socket.gethostname():
            return False
        if self.boot_id != boot_id():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return self.started is not None and start_of(self.pid) != self.started


def this_process() -> Process:
    """The process that runs this."""
    pid = os.getpid()
    return Process(host=socket.gethostname(), boot_id=boot_id(), pid=pid, started=start_of(pid))


@cache
def boot_id() -> str:
    """Id of this boot; empty where the system has none (not Linux)."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """Start of a process in clock ticks since the boot.

    None if it is gone, a zombie, or the system does not tell.

    Field 22 of `/proc/<pid>/stat`; the command in field 2 may hold spaces and parentheses (proc(5)).
    """
    try:
        after_command = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    state, started = after_command[0], after_command[19]
    return None if state in (b"Z", b"X") else int(started)
