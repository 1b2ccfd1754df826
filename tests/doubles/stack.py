"""The services of a compose file as plain processes, in namespaces of their own in place of containers.

All share one network, where each service's name is the loopback and every port is free, and one tree of folders, where
`/run/secrets`, `/photos`, `/venv` and the others are what the images and the compose file say. PostgreSQL is the
machine's, through its socket.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from compose import DOCKER
from model_program import install

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compose import Service

SOCKETS = Path("/var/run/postgresql")
PATIENCE_S = 180
STOP_S = 10
_HOLDER = "mount --make-rprivate / && ip link set lo up && echo ready && exec sleep infinity"


class Stack:
    """Running services; each is healthy before what depends on it is started."""

    def __init__(self, root: Path, extra: Mapping[str, str]) -> None:
        self._root = root
        self._extra = extra
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-euc", _HOLDER], stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self._services: dict[str, tuple[Service, subprocess.Popen[bytes]]] = {}
        self.healthy: list[str] = []

    def bind(self, source: Path, target: str) -> None:
        """Let a folder or file stand somewhere else, for the services alone."""
        make = (
            f"mkdir -p {target}" if source.is_dir() else f"mkdir -p {Path(target).parent} && touch {target}"
        )
        mounted = self._entered(["sh", "-euc", f"{make} && mount --bind {source} {target}"])
        subprocess.run(mounted, check=True)

    def start(self, service: Service, command: Sequence[str] | None = None) -> None:
        """Start one as the compose file says, and wait until its own check finds it healthy."""
        log = self._root / f"{service.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._entered(command or service.command, service),
                env=self._environment(service),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._services[service.name] = (service, process)
        deadline = time.monotonic() + PATIENCE_S
        while not self.check(service):
            words = log.read_text(errors="replace")[-3000:]
            assert process.poll() is None, f"{service.name} ended with {process.returncode}:\n{words}"
            assert time.monotonic() < deadline, f"{service.name} is not healthy:\n{words}"
            time.sleep(0.2)
        self.healthy.append(service.name)

    def check(self, service: Service) -> bool:
        """Whether its health check finds it well."""
        kind, *command = service.healthcheck
        command = ["sh", "-c", *command] if kind == "CMD-SHELL" else command
        return self._within(service, command).returncode == 0

    def run(self, service: Service, *command: str) -> str:
        """What `docker compose exec` of a command prints."""
        done = self._within(service, ["with-secrets", *command])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self, name: str) -> int:
        """Send one its stop signal; what it ended with, within ten seconds: Compose gives no service less."""
        service, process = self._services.pop(name)
        process.send_signal(signal.Signals[service.stop_signal])
        return process.wait(STOP_S)

    def close(self) -> None:
        """End what still runs."""
        for _, process in self._services.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def _environment(self, service: Service) -> dict[str, str]:
        said = {**service.environment, **self._extra}
        path = said.get("PATH", "$PATH").replace("$PATH", os.environ["PATH"])
        return {
            "HOME": "/home/imageworks",
            "LANG": "C.UTF-8",
            **said,
            "PATH": f"{self._root}/programs:{path}",
        }

    def _within(self, service: Service, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        entered = self._entered(command, service)
        environment = self._environment(service)
        return subprocess.run(entered, check=False, env=environment, capture_output=True, text=True)

    def _entered(self, command: Sequence[str], service: Service | None = None) -> list[str]:
        folder = "/" if service is None else service.folder
        holder = ["--target", str(self._holder.pid), "--net", "--mount", f"--wdns={folder}"]
        return ["nsenter", *holder, "--", *command]


@contextmanager
def stack(root: Path, databases: tuple[str, str], **extra: str) -> Iterator[Stack]:
    """Folders, names and secrets as the compose file has them, and nothing started; skips where that cannot be.

    Args:
        root: Folder for all that is kept.
        databases: Names of two new PostgreSQL databases, ours and Dagster's.
        extra: Variables beside those of the compose file.
    """
    if os.geteuid() != 0 or shutil.which("nsenter") is None or shutil.which("ip") is None:
        pytest.skip("needs root, util-linux and iproute2, for namespaces in place of containers")
    secrets = root / "docker" / "secrets"
    shutil.copytree(DOCKER, root / "docker", ignore=shutil.ignore_patterns("secrets", ".env"))
    subprocess.run([root / "docker" / "make-secrets"], check=True)
    for file, database in zip(("state_url", "dagster_storage_url"), databases, strict=True):
        url = (secrets / file).read_text()
        (secrets / file).chmod(0o600)
        (secrets / file).write_text(f"{url.partition(':')[0]}://postgres@/{database}?host={SOCKETS}")
    named = root / "secrets"
    named.mkdir()
    for name, file in {
        "IMAGEWORKS_STATE_URL": "state_url",
        "DAGSTER_STORAGE_URL": "dagster_storage_url",
        "IMAGEWORKS_BROKER_URL": "broker_url",
        "SUPERVISOR_KEY": "supervisor_key",
        "gateway_key": "gateway_key",
        "redis_password": "redis_password",
    }.items():
        shutil.copy(secrets / file, named / name)
    names = ["localhost", "redis", *(f"imageworks-{one}" for one in _HOSTS)]
    (root / "hosts").write_text(f"127.0.0.1 {' '.join(names)}\n")
    for folder in ("kept", "dagster", "photos", "etc"):
        (root / folder).mkdir()
    # What the images of model servers bring.
    install(root / "programs")
    for file in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(DOCKER / file, root / "dagster" / file)
    shutil.copy(DOCKER / "registry.yaml", root / "kept" / "registry.yaml")
    shutil.copytree(DOCKER / "supervisors", root / "etc", dirs_exist_ok=True)
    made = Stack(root, extra)
    try:
        for source, target in {
            named: "/run/secrets",
            root / "hosts": "/etc/hosts",
            root / "kept": "/home/imageworks/kept",
            root / "dagster": "/home/imageworks/dagster",
            root / "photos": "/photos",
            root / "etc": "/etc/imageworks",
            Path(sys.prefix): "/venv",
            DOCKER / "with-secrets": "/usr/local/bin/with-secrets",
        }.items():
            made.bind(source, target)
        yield made
    finally:
        made.close()


_HOSTS = ("code", "web", "daemon", "gateway", "tf-iqa-service", "vllm", "trtllm", "ollama", "worker")


@contextmanager
def two_databases(name: str) -> Iterator[tuple[str, str]]:
    """New databases in the machine's PostgreSQL, by its socket; skips where there is none."""
    try:
        server = psycopg.connect(f"postgresql://postgres@/postgres?host={SOCKETS}", autocommit=True)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at its socket in {SOCKETS}: {error}")
    names = (f"{name}_ours", f"{name}_dagster")
    with server:
        for one in names:
            server.execute(f'CREATE DATABASE "{one}"')  # type: ignore[arg-type]
        try:
            yield names
        finally:
            for one in names:
                server.execute(f'DROP DATABASE "{one}" WITH (FORCE)')  # type: ignore[arg-type]
    server.close()
