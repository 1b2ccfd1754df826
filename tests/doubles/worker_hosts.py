"""Hosts of workers on one machine: network namespaces, each with a name and one link to a bridge, which can be cut.

What listens on the loopback of the machine, such as its databases, is there for them at the bridge's address.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_CHUNK = 64 * 1024
_SILENT_S, _ASKED_EVERY_S, _ASKED = 5, 3, 3


class WorkerHost:
    """A host. What is started there is alone with the other processes of that host."""

    def __init__(self, name: str, namespace: str, link: str) -> None:
        self.name = name
        self._namespace = namespace
        self._link = link
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        """Start a program there."""
        named = ["unshare", "--uts", "sh", "-euc", 'hostname "$0"; exec "$@"', self.name, *command]
        with log.open("wb") as output:
            self._started.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self._namespace, *named],
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def cut_off(self) -> None:
        """Take its link away: what is under way hangs, as behind a pulled cable."""
        _ip("link", "set", self._link, "down")

    def put_back(self) -> None:
        """Give it its link again."""
        _ip("link", "set", self._link, "up")

    def kill(self) -> None:
        """Kill every process that is there."""
        while pids := _ip("netns", "pids", self._namespace).split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.02)
        for one in self._started:
            one.wait()
        self._started.clear()


@contextmanager
def worker_hosts(names: Sequence[str], ports: Sequence[int]) -> Iterator[tuple[str, list[WorkerHost]]]:
    """The address of the machine as hosts see it, and the hosts; skips where there can be none.

    Args:
        names: The hosts' names.
        ports: Of the machine's loopback, which they can reach at that address.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2, for network namespaces in place of hosts")
    mark, net = f"iw{os.getpid() % 100_000:05d}", f"10.{random.randint(64, 250)}.{random.randint(0, 250)}"
    with ExitStack() as stack:
        try:
            _ip("link", "add", mark, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr}")
        stack.callback(_ip, "link", "del", mark)
        _ip("addr", "add", f"{net}.1/24", "dev", mark)
        _ip("link", "set", mark, "up")
        hosts = []
        for number, name in enumerate(names, 2):
            namespace, link = f"{mark}-{name}", f"{mark}v{number}"
            _ip("netns", "add", namespace)
            stack.callback(_ip, "netns", "del", namespace)
            _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            # With its namespace it would go too, but some time later: the next ones may be named the same.
            stack.callback(_ip, "link", "del", link)
            _ip("link", "set", link, "master", mark, "up")
            _ip("-n", namespace, "addr", "add", f"{net}.{number}/24", "dev", "eth0")
            for one in ("lo", "eth0"):
                _ip("-n", namespace, "link", "set", one, "up")
            host = WorkerHost(name, namespace, link)
            stack.callback(host.kill)
            hosts.append(host)
        stack.enter_context(_bridged(f"{net}.1", ports))
        yield f"{net}.1", hosts


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def _bridged(address: str, ports: Sequence[int]) -> Iterator[None]:
    """Pass what comes to an address on to the loopback, port by port, by a process of its own."""
    command = [sys.executable, __file__, address, *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.kill()


async def _pass_on(address: str, ports: Sequence[int]) -> None:
    for port in ports:
        await asyncio.start_server(lambda near, back, port=port: _pass(near, back, port), address, port)
    print("ready", flush=True)  # noqa: T201 - whoever started the process reads it
    await asyncio.Event().wait()


async def _pass(near: asyncio.StreamReader, back: asyncio.StreamWriter, port: int) -> None:
    _watch(back.get_extra_info("socket"))
    try:
        far, on = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        back.transport.abort()
        return
    try:
        await asyncio.gather(_copy(near, on), _copy(far, back))
    finally:
        for one in (back, on):
            one.transport.abort()


def _watch(connection: socket.socket) -> None:
    """Ask a silent host whether it is there, as the database would that hosts are connected to here."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _ASKED_EVERY_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _ASKED)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
        target.write_eof()
    except OSError:
        # A host that is gone is gone for both ends.
        target.transport.abort()


if __name__ == "__main__":
    asyncio.run(_pass_on(sys.argv[1], [int(port) for port in sys.argv[2:]]))
