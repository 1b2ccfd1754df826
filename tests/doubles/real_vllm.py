"""The real vLLM server on a CPU: found running, or started for the test session and stopped after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = Path(__file__).resolve().parents[2].parent / "shared" / "real" / "vllm-cpu" / "serve"
READY_S = 600
STOP_S = 30


@dataclass(frozen=True)
class RealVllm:
    """Where the server is, and what it serves."""

    url: str
    model: str = "tiny-vlm"


@pytest.fixture(scope="session")
def real_vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVllm]:
    """A running vLLM server. ``REAL_VLLM_URL`` names one that runs already; it is left running."""
    if url := os.environ.get("REAL_VLLM_URL"):
        yield RealVllm(url.rstrip("/"))
        return
    if not SERVE.exists():
        pytest.skip(f"no real vLLM server: {SERVE} is not there, and REAL_VLLM_URL is not set")
    with own_vllm(tmp_path_factory.mktemp("vllm") / "vllm.log") as server:
        yield server


@dataclass(frozen=True)
class OwnVllm(RealVllm):
    """A server that one test has to itself, and may kill."""

    process: subprocess.Popen[bytes] = field(kw_only=True)

    def kill(self) -> None:
        """SIGKILL for the server and its engine."""
        os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def own_vllm(log: Path) -> Iterator[OwnVllm]:
    """A server that is started now and stopped at the end; skips where there is none to start."""
    if not SERVE.exists():
        pytest.skip(f"no real vLLM server to start: {SERVE} is not there")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "VLLM_CPU_PORT": str(port)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(SERVE)], stdout=output, stderr=subprocess.STDOUT, env=environ, start_new_session=True
        ) as process,
    ):
        try:
            _wait_until_ready(url, process, log)
            yield OwnVllm(url, process=process)
        finally:
            _stop(process)


def compare_little(rules: Path) -> None:
    """Have the playoff of a rules file ask for few comparisons: each takes seconds on a processor."""
    text = rules.read_text(encoding="utf-8")
    few = text.replace("rounds = 4", "rounds = 1").replace("shortlist = 8", "shortlist = 4")
    assert few != text
    rules.write_text(few, encoding="utf-8")


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    words = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    pytest.fail(f"The real vLLM server did not become ready within {READY_S} s; its log ends:\n{words}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The engine is a child of the server; both are in the group that starts with our child.
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGTERM and _group_is_gone(process.pid):
            break
    process.wait()


def _group_is_gone(group: int) -> bool:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
