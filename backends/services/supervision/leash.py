"""The leash: holds a model server's whole process tree, and kills it when the supervisor lets go.

A script of its own, started by `backends.services.supervision.child` between the supervisor and the server. A
server's workers outlive a server that is killed, leave its process group, and nothing tells them that the
supervisor died: only a process that outlives them all, and to which all of them fall (``PR_SET_CHILD_SUBREAPER``),
can end every one. It imports the standard library alone, so that it starts at once and holds no memory.

What it is told on standard input: ``T`` sends SIGTERM to the server's process group; ``K``, or the end of the input,
which is what the death of a supervisor looks like, kills every process. What it says on standard output, one JSON
object a line: ``{"pid": 123}`` or ``{"cannot_start": "why", "bad_command": true}``, then
``{"exited": status}``, as `subprocess.Popen.returncode` has it. It ends when no process of the tree is left. Standard
error is the server's.
"""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# While it kills: a process may fork between a look at the tree and the signal.
_LOOK_AGAIN_S = 0.1
# What a server leaves behind when it ends serves nobody, but may clean up: Python's resource tracker unlinks the
# shared memory that a killed engine left.
_ORPHANS_S = 2.0


def descendants(root: int) -> list[int]:
    """Process ids of all that descend from a process, without itself, zombies included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            # Field 4 of proc(5); the command in field 2 may hold spaces and parentheses.
            parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    left = [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _hold(server: subprocess.Popen[bytes], wake: int) -> None:
    """Wait for the end of every process, and do meanwhile what the supervisor says."""
    listening, kill_at = [0, wake], math.inf
    while _reap(server):
        now = time.monotonic()
        if server.returncode is not None:
            kill_at = min(kill_at, now + _ORPHANS_S)
        if now >= kill_at:
            _kill_all()
        wait_s = max(kill_at - now, _LOOK_AGAIN_S)
        ready, _, _ = select.select(listening, [], [], None if wait_s == math.inf else wait_s)
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready:
            orders = os.read(0, 4096)
            if not orders:
                listening = [wake]
            if b"T" in orders and server.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGTERM)
            if not orders or b"K" in orders:
                kill_at = now


def _reap(server: subprocess.Popen[bytes]) -> bool:
    """Take what has ended; tell whether any process is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == server.pid:
            server.returncode = os.waitstatus_to_exitcode(status)
            _say({"exited": server.returncode})


def _kill_all() -> None:
    for pid in descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _say(what: dict[str, object]) -> None:
    # The supervisor may be dead, which standard input tells.
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(what).encode() + b"\n")


def _die_with_the_leash() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _heard(_number: int, _frame: object) -> None:
    """A handler, where ignoring would be inherited by the server."""


def main(command: list[str]) -> None:
    """Run a command and hold it until all its processes have ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _heard)
    try:
        # The one thread of this process forks, so that the function between fork and exec is safe.
        server = subprocess.Popen(  # noqa: S603 - from the supervisor's configuration
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            preexec_fn=_die_with_the_leash,  # noqa: PLW1509
        )
    except OSError as error:
        bad_command = error.errno in {errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR}
        _say({"cannot_start": f"{command[0]}: {error.strerror or error}", "bad_command": bad_command})
        return
    _say({"pid": server.pid})
    _hold(server, wake)


if __name__ == "__main__":
    main(sys.argv[1:])
