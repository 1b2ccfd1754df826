"""A host with cards that are not there: builds the library of `nvml_stand_in.c`, says what it says, asks it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Reads the cards each time a line comes. The loader looks at LD_LIBRARY_PATH when a process starts, and only then.
_READER = """
import dataclasses, json, sys
from backends.nvml import Cards
cards = Cards(again_after_s=float(sys.argv[1]))
for line in sys.stdin:
    print(json.dumps(dataclasses.asdict(cards.read())), flush=True)
cards.close()
"""

_WHOLE = {
    "name": "A card",
    "total_mib": 24576,
    "used_mib": 1024,
    "gpu_percent": 50,
    "memory_percent": 25,
    "milliwatts": 123_500,
    "degrees": 61,
    "computing": "",
    "drawing": "",
}


class NvmlStandIn:
    """What the library says; set a line such as ``host["0.used_mib"] = 2048``, and it says so from then on."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = library
        self._path = folder / "nvml.txt"
        self._lines: dict[str, Any] = {}
        self.say({})

    def __setitem__(self, line: str, value: Any) -> None:
        self.say({line: value})

    def say(self, lines: Mapping[str, Any]) -> None:
        """Say these from now on, beside what it says already."""
        self._lines.update(lines)
        whole = "".join(f"{line} {value}\n" for line, value in self._lines.items())
        staged = self._path.with_suffix(".new")
        staged.write_text(whole, encoding="utf-8")
        staged.replace(self._path)

    def add_card(self, index: int, **facts: Any) -> None:
        """Put in a card of 24 GiB; facts say what of it is otherwise."""
        self.say(
            {f"{index}.{name}": value for name, value in {"uuid": f"GPU-{index}", **_WHOLE, **facts}.items()}
        )

    def add_slice(self, card: int, index: int, profile: str, **facts: Any) -> None:
        """Make a slice of a card with MIG mode on."""
        slice_facts = {"uuid": f"MIG-{card}-{index}", "name": f"A card MIG {profile}", **facts}
        self.say({f"{card}:{index}.{name}": value for name, value in slice_facts.items()})

    @property
    def calls(self) -> list[str]:
        """How often the library was begun and ended, in order."""
        path = self._path.with_name(f"{self._path.name}.calls")
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to find these cards."""
        return {**os.environ, "LD_LIBRARY_PATH": str(self._library.parent), "NVML_STAND_IN": str(self._path)}

    @contextmanager
    def reader(self, *, again_after_s: float = 3600) -> Iterator[CardReader]:
        """A process that keeps ``Cards`` open and reads them when told to."""
        with subprocess.Popen(
            [sys.executable, "-c", _READER, str(again_after_s)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield CardReader(process)
        assert process.returncode == 0


class CardReader:
    """Talks to the process that reads."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """All devices by name, and the problems."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(file=stdin, flush=True)
        read = json.loads(stdout.readline())
        return {one["name"]: one for one in read["devices"]}, read["problems"]


def build_library(folder: Path) -> Path:
    """Compile the library into a folder."""
    if (compiler := shutil.which("gcc")) is None:
        pytest.skip("there is no gcc to build the stand-in of NVML with")
    library = folder / "libnvidia-ml.so.1"
    source = Path(__file__).with_suffix(".c")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    return library
