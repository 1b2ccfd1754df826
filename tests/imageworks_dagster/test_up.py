"""`imageworks up`: the gateway and Dagster together, and nothing of them left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
from web_ui import IMAGEWORKS, environment, free_port, serving, until

from imageworks_dagster.command.bringing_up import Program, run_together
from imageworks_dagster.command.serving import check_port
from imageworks_dagster.errors import AlreadyServed, EndedEarly

END_S = 60


def program(name, code):
    return Program(name, [sys.executable, "-c", code], os.environ)


def pids_of(written):
    return [int(word) for word in b"".join(written).split()]


STAYS = "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"


@pytest.mark.anyio
async def test_a_program_that_ends_by_itself_ends_the_others_and_its_last_words_are_told():
    written = []
    with pytest.raises(EndedEarly, match=r"The second exited with status 3(.|\n)*no such card"):
        await run_together(
            [
                program("The first", STAYS),
                program("The second", "import sys; print('no such card', file=sys.stderr); sys.exit(3)"),
            ],
            show=written.append,
        )
    words = [word for word in b"".join(written).split() if word.isdigit()]
    assert not any(psutil.pid_exists(int(word)) for word in words)


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_all_of_them(number):
    written = []

    def show(data):
        written.append(data)
        if len(pids_of(written)) == 2:
            os.kill(os.getpid(), number)

    await run_together([program("The first", STAYS), program("The second", STAYS)], show=show)
    assert not any(map(psutil.pid_exists, pids_of(written)))


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"heard"))
os.write(1, b"%d " % os.getpid())
while True:
    time.sleep(3600)
"""


@pytest.mark.anyio
async def test_a_second_signal_kills_those_that_go_on():
    written = []
    again = []

    def show(data):
        written.append(data)
        if b"heard" in b"".join(written):
            again.append(True)
        os.kill(os.getpid(), signal.SIGINT)

    await run_together([program("The stubborn", STUBBORN)], show=show, patience_s=3600)
    pid = int(b"".join(written).split()[0])
    assert again
    assert not psutil.pid_exists(pid)


def gone(processes):
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_both_answer_and_no_process_is_left_however_it_ends(tmp_path, number):
    port, gateway_port = free_port(), free_port()
    command = [str(IMAGEWORKS), "up", "--port", str(port), "--gateway-port", str(gateway_port)]
    with serving(command, port=port, env=environment(tmp_path / "home"), cwd=tmp_path) as started:
        until(lambda: answers(f"http://127.0.0.1:{gateway_port}/readyz"), END_S, "the gateway is ready")
        until(lambda: answers(f"{started.url}/server_info"), END_S, "the web UI answers")
        family = psutil.Process(started.process.pid).children(recursive=True)
        os.kill(started.process.pid, number)
        started.process.wait(END_S)
        until(lambda: gone(family), END_S, "every process has ended")
    assert len(family) >= 4


@pytest.mark.slow
@pytest.mark.parametrize(("option", "taken"), [("--port", 0), ("--gateway-port", 1)])
def test_a_taken_port_is_told_before_anything_starts(tmp_path, option, taken):
    ports = [free_port(), free_port()]
    with socket.create_server(("127.0.0.1", 0)) as server:
        ports[taken] = server.getsockname()[1]
        command = [str(IMAGEWORKS), "up", "--port", str(ports[0]), "--gateway-port", str(ports[1])]
        done = subprocess.run(
            command, env=environment(tmp_path / "home"), capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert f"Port {ports[taken]} of 127.0.0.1 cannot be had" in " ".join(done.stderr.split())
    assert f"imageworks up {option}" in " ".join(done.stderr.split())


def test_a_port_is_looked_for_where_it_is_going_to_be_listened_on():
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        check_port(port)
        for host in ("127.0.0.2", "0.0.0.0"):
            with pytest.raises(AlreadyServed, match=f"Port {port} of {host} cannot be had"):
                check_port(port, host=host)


def answers(url):
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


EMBEDDED_WITHOUT_CODE = """
models:
  mine:
    roles: [judge]
    capabilities: {chat: {context_tokens: 8192, max_output_tokens: 1024, structured_output: true}}
    deployments: [{name: embedded, provider: embedded, served_model_id: baseline-judge}]
    revision: "1"
"""


@pytest.mark.parametrize(
    "command", [[IMAGEWORKS, "up"], [sys.executable, "-m", "gateway", "serve", "--port", "0"]]
)
@pytest.mark.slow
def test_a_registry_that_cannot_be_used_is_told_in_words_before_anything_starts(tmp_path, command):
    (tmp_path / "registry.yaml").write_text(EMBEDDED_WITHOUT_CODE, encoding="utf-8")
    told = subprocess.run(
        command, env=environment(tmp_path), capture_output=True, text=True, timeout=END_S, check=False
    )
    said = told.stdout + told.stderr
    assert told.returncode == 1
    assert "embedded needs code" in "".join(said.splitlines())
    assert "Traceback" not in said
    assert "nanobind" not in said


LEAKS = """
import sys
print("no such card", file=sys.stderr)
print("nanobind: leaked 40 functions!", file=sys.stderr)
for number in range(40):
    print(f' - leaked function "of_{number}"', file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.anyio
async def test_last_words_are_not_what_a_binding_counts_at_the_end():
    with pytest.raises(EndedEarly, match="no such card") as ended:
        await run_together([program("The first", LEAKS)], show=lambda _: None)
    assert "leaked" not in str(ended.value)
