"""Several programs as children of one command: a signal ends all of them, and so does the end of any one.

Each is held by a leash, so that none is left behind however this process ends.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backends.services.supervision.child import Child
from backends.services.supervision.output import Output
from imageworks_dagster.errors import EndedEarly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PATIENCE_S: Final = 40.0
"""Seconds, more than the gateway gives what is under way."""

_LAST_LINES: Final = 15
_KEPT_LINES: Final = 200

# What DuckDB's binding counts when an interpreter ends; it has no switch for it in Python, and it says nothing of why
# the program ended.
_NOISE: Final = ("nanobind: ", " - leaked ", " - ... skipped")


@dataclass(frozen=True, eq=False)
class Program:
    """One of them.

    Attributes:
        name: What it is, in words.
        command: Program and arguments.
        environ: All of its environment.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]


class _Shown(Output):
    """Keeps what a program writes, and passes it on as it comes."""

    def __init__(self, show: Callable[[bytes], None]) -> None:
        super().__init__()
        self._show = show

    def feed(self, data: bytes) -> None:
        """Take what it wrote."""
        super().feed(data)
        self._show(data)


async def run_together(
    programs: Sequence[Program], *, show: Callable[[bytes], None], patience_s: float = PATIENCE_S
) -> None:
    """Run them until SIGINT or SIGTERM comes; all have ended when this returns or raises. A second one kills them.

    Args:
        programs: They.
        show: Takes what they write.
        patience_s: Seconds in which each has to end once it is told to.

    Raises:
        EndedEarly: One of them ended by itself; the message holds its last lines.
    """
    told = asyncio.Event()
    outputs = {program: _Shown(show) for program in programs}
    children: dict[Program, Child] = {}

    def hear() -> None:
        if told.is_set():
            for child in children.values():
                child.kill()
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear)
    try:
        for program, output in outputs.items():
            children[program] = await Child.start(program.command, program.environ, output)
        endings = {asyncio.create_task(child.ended()): program for program, child in children.items()}
        stopping = asyncio.create_task(told.wait())
        done, _ = await asyncio.wait({stopping, *endings}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        # Who ends after a signal came did as it was told.
        if not told.is_set():
            early = next(task for task in endings if task in done)
            raise _ended_early(endings[early], early.result(), outputs[endings[early]])
    finally:
        await asyncio.gather(*(child.end(patience_s) for child in children.values()))


def _ended_early(program: Program, how: str, output: Output) -> EndedEarly:
    said = [line for line in output.last(_KEPT_LINES) if not line.startswith(_NOISE)]
    lines = "\n".join(f"  {line}" for line in said[-_LAST_LINES:]) or "  nothing"
    return EndedEarly(f"{program.name} {how}, and the others were ended. Its last words:\n{lines}")
