"""So many clients that each send one request after the other over one connection, in a process of their own.

It writes prepared bytes and only counts what comes, so that it takes little of the time that it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httptools
import uvloop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        url: To which.
        body: JSON, the same each time.
        headers: Beyond those of any POST of JSON.
        at_once: Clients.
        seconds: For how long.
        requests: How many in place of ``seconds``, if any.
        warm_up_s: Seconds before, which are not counted.
    """

    url: str
    body: str
    headers: Mapping[str, str]
    at_once: int
    seconds: float = 4.0
    requests: int = 0
    warm_up_s: float = 1.0


@dataclass(frozen=True)
class Carried:
    """What came of it.

    Attributes:
        requests: How many were answered.
        a_second: How many of them a second.
        p50_ms: Median time from a request to its answer's last byte.
        first_byte_p50_ms: The same to its body's first byte.
    """

    requests: int
    a_second: float
    p50_ms: float
    first_byte_p50_ms: float


def medians(rounds: Sequence[Carried]) -> Carried:
    """What came of the same load several times."""
    return Carried(
        requests=sum(one.requests for one in rounds),
        a_second=statistics.median(one.a_second for one in rounds),
        p50_ms=statistics.median(one.p50_ms for one in rounds),
        first_byte_p50_ms=statistics.median(one.first_byte_p50_ms for one in rounds),
    )


def carried(load: Load) -> Carried:
    """What comes of a load.

    Raises:
        subprocess.CalledProcessError: Something was not answered with a 200; it is said on stderr.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.http_load"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return Carried(**json.loads(done.stdout))


class _Client(asyncio.Protocol):
    """One connection, and the request that is under way on it."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = 0.0
        self._first = 0.0
        self._said: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self._first:
            self._first = time.perf_counter()
        self._said.append(body)

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) != 200:
            self._done.set_exception(AssertionError(f"{status}: {b''.join(self._said)[:500]!r}"))
        else:
            self._done.set_result(None)
        # One parser a response: httptools' own state machine ends with a message that says it is the last.
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self) -> tuple[float, float]:
        """Seconds to the body's first byte and to the answer's end."""
        self._done = asyncio.get_running_loop().create_future()
        self._first, self._said = 0.0, []
        self._began = time.perf_counter()
        self._transport.write(self._request)
        await self._done
        return self._first - self._began, time.perf_counter() - self._began


async def _carry(load: Load) -> Carried:
    parts = urlsplit(load.url)
    body = load.body.encode()
    head = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **load.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    request = f"POST {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(request), parts.hostname or "", parts.port or 0))[1]
        for _ in range(load.at_once)
    ]

    took: list[tuple[float, float]] = []
    left = itertools.count(load.requests, -1)
    began = time.perf_counter() + load.warm_up_s

    async def work(client: _Client) -> None:
        # Nobody pauses between what is counted and what is not: a server closes connections that are idle.
        while time.perf_counter() < began:
            await client.ask()
        # Each asks once at least, however long it takes.
        while next(left) > 0 if load.requests else True:
            took.append(await client.ask())
            if not load.requests and time.perf_counter() - began >= load.seconds:
                return

    await asyncio.gather(*map(work, clients))
    seconds = time.perf_counter() - began
    first, whole = zip(*took, strict=True)
    return Carried(
        len(took), len(took) / seconds, statistics.median(whole) * 1e3, statistics.median(first) * 1e3
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_carry(Load(**json.load(sys.stdin)))))))
