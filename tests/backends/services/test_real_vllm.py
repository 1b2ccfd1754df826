"""The supervisor of a real vLLM server: loaded, asked, killed, loaded again, and gone."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

import psutil
import pytest
from real_vllm import READY_S, SERVE
from supervised import lives, program, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
QUESTION = {
    "model": "tiny-vlm",
    "messages": [{"role": "user", "content": "Describe the light."}],
    "max_completion_tokens": 24,
}


@pytest.fixture
def command():
    if not SERVE.exists():
        pytest.skip(f"no real vLLM server to start: {SERVE} is not there")
    done = subprocess.run(
        [str(SERVE), "--print-command"],
        env={**os.environ, "VLLM_CPU_PORT": "{port}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(done.stdout)


def ask(supervised):
    answer = supervised.client.post(
        "/v1/chat/completions", json=QUESTION, headers={"X-ImageWorks-Lease": "1"}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["usage"]["completion_tokens"]


def test_a_real_server_is_loaded_asked_killed_loaded_again_and_gone(tmp_path, command):
    model = {"command": command, "env": ENVIRONMENT, "load_timeout_s": READY_S}
    device = {"name": "club-pc", "kind": "host", "memory_mib": 16_384}
    with program(
        tmp_path, {"tiny-vlm": model}, device=device, watch={"every_s": 2, "timeout_s": 30}
    ) as supervised:
        supervised.activate("tiny-vlm", 1)
        first = supervised.until("ready", "failed", within_s=READY_S)
        assert first["state"] == "ready", first
        assert 0 < ask(supervised) <= 24
        assert supervised.state()["device"]["used_mib"] > 500
        with supervised.client.stream(
            "POST", "/v1/chat/completions", json={**QUESTION, "stream": True}, timeout=120
        ) as streamed:
            assert streamed.read().endswith(b"data: [DONE]\n\n")
        engine = psutil.Process(first["pid"]).children(recursive=True)
        assert engine, "vLLM's engine is a process of its own"

        os.kill(first["pid"], signal.SIGKILL)
        wait_until(lambda: supervised.active()["restarts"] == 1, "it is restarted", within_s=60)
        assert not any(lives(process.pid) for process in engine)
        again = supervised.until("ready", "failed", within_s=READY_S)
        assert again["state"] == "ready", again
        assert 0 < ask(supervised) <= 24

        tree = [again["pid"], *(one.pid for one in psutil.Process(again["pid"]).children(recursive=True))]
        gone = supervised.client.post("/deactivate", json={"token": 2}, timeout=120)
        assert gone.json()["active"] is None, gone.text
        assert not any(lives(pid) for pid in tree)
        assert supervised.state()["device"]["used_mib"] == 0
