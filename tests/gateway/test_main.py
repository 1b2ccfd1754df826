"""The gateway's command says in a terminal what happened, and nothing of what its libraries hold at the end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SERVE = [sys.executable, "-m", "gateway", "serve"]
READY = "Uvicorn running on"


def test_a_port_that_another_program_has_is_said_and_nothing_after_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [*SERVE, "--port", str(port), "--home", str(tmp_path / "home")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode
    assert "address already in use" in done.stderr
    assert "leaked" not in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_says_so_and_nothing_after_it(tmp_path, number):
    with subprocess.Popen(
        [*SERVE, "--port", "0", "--home", str(tmp_path / "home")], stderr=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stderr is not None
        assert any(READY in line for line in serving.stderr)
        serving.send_signal(number)
        said = serving.stderr.read()
    assert "Finished server process" in said
    assert "leaked" not in said
