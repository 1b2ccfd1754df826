"""A supervisor of doubles of model servers: within the test's process, or as the program that it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from backends.services.serving import web_server
from backends.services.supervision.app import create_app
from backends.services.supervision.configuration import control_key, read_configuration
from backends.services.supervision.model_server import ModelServer
from backends.services.supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).parent / "child_server.py"
PATIENCE_S = 30
KEY_VARIABLE = "TEST_SUPERVISOR_KEY"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def served_by_double(*options: str | Path, **fields: Any) -> dict[str, Any]:
    """A model of a configuration whose server is a double with these options."""
    command = [sys.executable, "-IS", str(CHILD), "--port", "{port}", *map(str, options)]
    return {"command": command, "drain_s": 20, "stop_s": 10, **fields}


def wait_until(holds: Callable[[], object], what: str, *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {b"Z", b"X"}
    except OSError:
        return False


class Supervised:
    """A running supervisor, asked over HTTP.

    Attributes:
        supervisor: It itself, where it runs within the test's process.
    """

    def __init__(
        self, port: int, child_port: int, key: str | None = None, supervisor: Supervisor | None = None
    ) -> None:
        self.supervisor = supervisor
        self.url = f"http://127.0.0.1:{port}"
        self.child_url = f"http://127.0.0.1:{child_port}"
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S + 10, headers=headers)

    def state(self) -> dict[str, Any]:
        return self.client.get("/state").raise_for_status().json()

    def active(self) -> dict[str, Any]:
        active = self.state()["active"]
        assert active is not None
        return active

    def activate(self, model: str = "tiny", token: int = 1) -> httpx.Response:
        return self.client.post("/activate", json={"model": model, "token": token})

    def deactivate(self, token: int = 1) -> httpx.Response:
        return self.client.post("/deactivate", json={"token": token})

    def until(self, *states: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for one of these states of the active model."""
        deadline = time.monotonic() + within_s
        known = "none"
        while time.monotonic() < deadline:
            view = self.client.get("/state", params={"wait_s": 5, "not": known}).json()
            known = "none" if view["active"] is None else view["active"]["state"]
            if known in states:
                return view["active"]
        raise AssertionError(f"not {' or '.join(states)} within {within_s:g} s, but {view}")

    def ready(self, model: str = "tiny", token: int = 1) -> dict[str, Any]:
        assert self.activate(model, token).status_code == 202
        return self.until("ready")

    def double(self, what: str, **options: str | int) -> dict[str, Any]:
        """Ask the double itself, beside the supervisor."""
        return httpx.get(f"{self.child_url}/double/{what}", params=options, timeout=PATIENCE_S).json()

    def crash(self, status: int = 1) -> None:
        try:
            self.double("exit", status=status)
        except httpx.TransportError:
            return
        raise AssertionError("the double answered though it was to die")

    def refusal(self, response: httpx.Response) -> tuple[int, str]:
        """Status and code of a refusal; what it says is some sentence."""
        error = response.json()["error"]
        assert len(error["message"].split()) > 2
        return response.status_code, error["code"]


def write_configuration(folder: Path, models: dict[str, Any], **fields: Any) -> Path:
    """A configuration file on free ports, quick to look and to restart."""
    path = folder / "supervisor.yaml"
    quick = {
        "provider": "vllm",
        "port": free_port(),
        "child_port": free_port(),
        "models": models,
        "restarts": {"first_wait_s": 0.01, "longest_wait_s": 0.05},
        "watch": {"every_s": 0.05, "timeout_s": 5},
    }
    # JSON is YAML.
    path.write_text(json.dumps({**quick, **fields}), encoding="utf-8")
    return path


@contextmanager
def within(
    folder: Path, models: dict[str, Any], *, key: str | None = None, **fields: Any
) -> Iterator[Supervised]:
    """The service in a thread of the test's process."""
    named = {} if key is None else {"control_key_env": KEY_VARIABLE}
    configuration = read_configuration(write_configuration(folder, models, **named, **fields))
    server = ModelServer(configuration.child_port)
    supervisor = Supervisor(configuration, environ=os.environ, is_healthy=server.is_healthy)
    app = create_app(
        supervisor, server, key=control_key(configuration, "127.0.0.1", {KEY_VARIABLE: key or ""})
    )
    service = web_server(
        app,
        host="127.0.0.1",
        port=configuration.listens_at,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=5,
    )
    thread = threading.Thread(target=service.run, name="supervisor", daemon=True)
    thread.start()
    supervised = Supervised(configuration.listens_at, configuration.child_port, key, supervisor)
    try:
        wait_until(lambda: service.started or not thread.is_alive(), "the supervisor listens")
        with supervised.client:
            yield supervised
    finally:
        service.should_exit = True
        thread.join()


class Program(Supervised):
    """The supervisor as a program.

    Attributes:
        process: Its process.
    """

    def __init__(self, port: int, child_port: int, process: subprocess.Popen[bytes]) -> None:
        super().__init__(port, child_port)
        self.process = process


@contextmanager
def program(
    folder: Path, models: dict[str, Any], *, environ: dict[str, str] | None = None, **fields: Any
) -> Iterator[Program]:
    """The supervisor as a program, killed at the end if it still runs."""
    path = write_configuration(folder, models, **fields)
    written = json.loads(path.read_text())
    with (folder / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backends.services.supervisor", "--config", str(path)],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=environ,
        )
    supervised = Program(written["port"], written["child_port"], process)
    try:
        wait_until(lambda: _answers(supervised) or process.poll() is not None, "the supervisor listens")
        assert process.poll() is None, (folder / "supervisor.log").read_text()
        with supervised.client:
            yield supervised
    finally:
        process.kill()
        process.wait()


def _answers(supervised: Supervised) -> bool:
    try:
        return httpx.get(f"{supervised.url}/healthz").is_success
    except httpx.TransportError:
        return False
