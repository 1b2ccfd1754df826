"""What stands in for the programs `vllm`, `trtllm-serve` and `ollama` in the stack, by the same arguments.

Each is the double of that server, on the port that its command names::

    python tests/doubles/model_program.py vllm serve … --served-model-name NAME --port 24001
"""

from __future__ import annotations

import asyncio
import signal
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from ollama_double import OllamaDouble
from trtllm_double import TrtllmDouble
from vllm_double import VllmDouble

if TYPE_CHECKING:
    from served import Served

OLLAMA_PORT = 11434
NAMES = ("vllm", "trtllm-serve", "ollama")


def install(folder: Path) -> None:
    """Put a program of each name into a folder."""
    folder.mkdir()
    for name in NAMES:
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n', encoding="utf-8")
        program.chmod(0o755)


def double_for(name: str, arguments: list[str]) -> Served:
    """The server that a command means."""
    if name == "ollama":
        ollama = OllamaDouble()
        ollama.port = OLLAMA_PORT
        return ollama
    port = int(arguments[arguments.index("--port") + 1])
    if name == "vllm":
        return VllmDouble(model=arguments[arguments.index("--served-model-name") + 1], port=port)
    return TrtllmDouble(model=Path(arguments[0]).name, port=port)


def main(name: str, arguments: list[str]) -> None:
    """Serve until SIGTERM; `ollama list` asks the one that serves."""
    if arguments == ["list"]:
        urllib.request.urlopen(f"http://127.0.0.1:{OLLAMA_PORT}/api/tags", timeout=4).close()
        return
    double = double_for(name, arguments)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await double.serve(stop)

    asyncio.run(serve())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
