"""The real TF-IQA worker, as a process of its own, while a test needs it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx

READY_S = 180


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def worker(folder, log, *, metrics="nima,musiq_spaq"):
    port = free_port()
    command = [sys.executable, "-m", "backends.services.tf_iqa", "--port", str(port)]
    with log.open("wb") as said:
        process = subprocess.Popen([*command, "--metrics", metrics, "--weights", str(folder)], stderr=said)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until_ready(process, url, log):
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())
