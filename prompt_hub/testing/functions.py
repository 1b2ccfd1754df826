"""The user's own functions about answers, each run in a process that is ended when its time is over.

A function takes ``(answer, context)``: the answer's text, and ``{"data", "vars", "stage", "test"}``. It gives True or
False, or ``{"pass": bool, "reason": str}``. The process has none of this one's environment but PATH; it is no
sandbox, and needs none: the file is the user's own program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIME_LIMIT_S: Final = 10.0

_MOST_BYTES: Final = 64 * 1024
_SHOWN: Final = 300

# The answer goes by a file of its own: a function may print what it likes.
_RUNNER: Final = """\
import json, runpy, sys
path, name, out = sys.argv[1:]
given = json.load(sys.stdin)
said = runpy.run_path(path)[name](given["answer"], given["context"])
with open(out, "w", encoding="utf-8") as file:
    json.dump(said, file)
"""


def run_function(
    place: str,
    folder: Path,
    answer: str,
    context: Mapping[str, Any],
    *,
    time_limit_s: float = TIME_LIMIT_S,
) -> str | None:
    """What a function has against an answer, in words; None where it has nothing.

    Args:
        place: ``file.py:function``, the file in `folder`.
        folder: The user's tests folder.
        answer: The answer's text.
        context: What else the function is told.
        time_limit_s: Seconds after which its process, and what that started, is killed.
    """
    file, _, name = place.partition(":")
    with tempfile.TemporaryDirectory() as made:
        out = os.path.join(made, "said")  # noqa: PTH118 - an argument of a process
        with subprocess.Popen(  # noqa: S603 - the user's own function, in our own interpreter
            [sys.executable, "-I", "-c", _RUNNER, str(folder / file), name, out],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=made,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        ) as process:
            try:
                _, wrong = process.communicate(
                    json.dumps({"answer": answer, "context": dict(context)}).encode(), timeout=time_limit_s
                )
            except subprocess.TimeoutExpired:
                return f"{place} took longer than {time_limit_s:g} s and was ended"
            finally:
                # Whatever it started ends with it.
                _end(process)
        if process.returncode:
            lines = wrong.decode("utf-8", "replace").strip().splitlines() or [
                f"exit code {process.returncode}"
            ]
            return f"{place} failed: {lines[-1][:_SHOWN]}"
        return _read(place, out)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(place: str, out: str) -> str | None:
    try:
        with open(out, "rb") as file:  # noqa: PTH123 - the name that the process was given
            said = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return f"{place} gave nothing that can be read"
    verdict, reason = (said.get("pass"), said.get("reason")) if isinstance(said, dict) else (said, None)
    if not isinstance(verdict, bool):
        return f"{place} gave {json.dumps(said)[:_SHOWN]}; it has to give True, False or a dict with pass and reason"
    return None if verdict else str(reason or "it says no")[:_SHOWN]
