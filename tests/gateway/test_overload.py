"""The gateway as a process: overloaded, killed, and told to stop."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from gateway_process import GatewayProcess
from served_gateway import registry_of
from soak import amount
from supervised import free_port, served_by_double, wait_until, within
from vllm_double import VllmDouble

from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DOUBLE = Path(__file__).parents[1] / "doubles" / "vllm_double.py"
CHAT = "/v1/chat/completions"
HELLO = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}]}
CLIENTS = amount(2000, 1000)


@contextmanager
def server(**options):
    words = [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(
        [sys.executable, str(DOUBLE), *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def home_at(folder, url):
    home = folder / "home"
    home.mkdir()
    (home / "registry.yaml").write_text(registry_of(url))
    return home


def events_of(home, query):
    with connect(Home.of(Settings(home=home))) as catalog:
        return catalog.execute(query).fetchall()


def request_bytes(body, **headers):
    sent = json.dumps(body).encode()
    lines = [
        f"POST {CHAT} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(sent)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + sent


async def streams(url, *, vanishes):
    """One client of a stream, who may vanish in its middle. Gives what it was told."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request_bytes({**HELLO, "stream": True}))
        await writer.drain()
        said = await reader.readuntil(b"data: ")
        if vanishes:
            writer.transport.abort()
            return b"vanished"
        return said + await reader.read()
    finally:
        writer.close()


async def crowd(url, count):
    """So many at once, of whom every second vanishes."""
    return await asyncio.gather(*(streams(url, vanishes=number % 2 == 1) for number in range(count)))


def standing_of(url):
    return httpx.get(f"{url}/double/standing", timeout=60).json()


def is_quiet(url):
    figures = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    return all(
        line.endswith(" 0.0")
        for line in figures
        if line.startswith(("imageworks_gateway_under_way{", "imageworks_gateway_waiting{"))
    )


def test_a_crowd_of_clients_of_whom_half_vanish_leaves_nothing_behind(tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > 2 * CLIENTS
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server(token=0.01) as url:
        home = home_at(tmp_path, url)
        settings = {"gateway_waiting": CLIENTS, "leases": "enforce"}
        with GatewayProcess(home, free_port(), watched=True, **settings) as gateway:
            asyncio.run(crowd(gateway.url, 200))
            wait_until(lambda: is_quiet(gateway.url), "the first few have gone")
            before = standing_of(gateway.url)
            memory = psutil.Process(gateway.process.pid).memory_info().rss

            batch = []
            with httpx.Client(base_url=gateway.url, timeout=300) as client:

                def work():
                    headers = {"X-ImageWorks-Class": "batch"}
                    batch.extend(
                        client.post(CHAT, json=HELLO, headers=headers).status_code for _ in range(20)
                    )

                thread = threading.Thread(target=work)
                thread.start()
                said = asyncio.run(crowd(gateway.url, CLIENTS))
                thread.join()

            assert batch == [200] * 20
            assert sum(one == b"vanished" for one in said) == CLIENTS // 2
            whole = [one for one in said if one != b"vanished"]
            assert all(b"data: [DONE]" in one for one in whole), next(
                one for one in whole if b"[DONE]" not in one
            )

            wait_until(lambda: is_quiet(gateway.url), "all have gone")
            wait_until(
                lambda: standing_of(gateway.url)["files"] <= before["files"] + 8,
                "their sockets are closed",
            )
            after = standing_of(gateway.url)
            assert after["tasks"] <= before["tasks"] + 4
            # A request that is kept has hundreds of objects.
            assert after["objects"] - before["objects"] < 10 * CLIENTS, (before, after)
            grown = psutil.Process(gateway.process.pid).memory_info().rss - memory
            assert grown < 200 * 2**20
            leases = httpx.get(f"{gateway.url}/v1/leases").json()["standing"]
            assert leases["leases"] == leases["waiters"] == []
        statuses = dict(events_of(home, "SELECT status, count(*) FROM events GROUP BY status"))
    # Some of those who vanished had all of their answer on its way.
    assert sum(statuses.values()) == CLIENTS + 200 + 20
    assert statuses["ok"] >= CLIENTS // 2 + 100 + 20
    assert statuses["canceled"] > 0


def test_a_killed_gateway_has_an_event_of_all_that_it_answered_and_serves_again_at_once(tmp_path):
    with server(latency=0.02) as url:
        home = home_at(tmp_path, url)
        port = free_port()
        answered = []
        with GatewayProcess(home, port) as gateway:
            enough = threading.Event()

            def work(number):
                with httpx.Client(base_url=gateway.url, timeout=60) as client:
                    while True:
                        body = {**HELLO, "stream": bool(number % 2)}
                        try:
                            answer = client.post(CHAT, json=body)
                        except httpx.TransportError:
                            return
                        if answer.status_code == 200 and (not body["stream"] or "[DONE]" in answer.text):
                            answered.append(answer.headers["traceparent"].split("-")[1])
                        if len(answered) > 300:
                            enough.set()

            threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
            for thread in threads:
                thread.start()
            assert enough.wait(120)
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
            for thread in threads:
                thread.join()
        told = {trace for (trace,) in events_of(home, "SELECT trace_id FROM events WHERE status = 'ok'")}
        assert set(answered) <= told
        with GatewayProcess(home, port) as gateway:
            assert httpx.post(f"{gateway.url}{CHAT}", json=HELLO, timeout=60).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_what_is_under_way_and_lets_nobody_new_in(tmp_path, number):
    with VllmDouble(latency_s=3.0) as double:
        home = home_at(tmp_path, double.url)
        with GatewayProcess(home, free_port()) as gateway:
            got = []

            def ask():
                got.append(httpx.post(f"{gateway.url}{CHAT}", json=HELLO, timeout=60))

            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: double.open == 1, "the request is under way")
            gateway.process.send_signal(number)
            wait_until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 503, "it says that it stops")
            late = httpx.post(f"{gateway.url}{CHAT}", json=HELLO)
            assert late.status_code == 503
            assert late.json()["error"]["code"] == "stopping"
            assert int(late.headers["retry-after"]) > 0
            thread.join()
            assert got[0].status_code == 200
            assert gateway.process.wait(timeout=60) == 0
        assert events_of(home, "SELECT status FROM events") == [("ok",)]


def test_told_twice_it_ends_at_once(tmp_path):
    with VllmDouble(latency_s=3600) as double:
        home = home_at(tmp_path, double.url)
        with GatewayProcess(home, free_port()) as gateway:

            def ask():
                with suppress(httpx.TransportError):
                    httpx.post(f"{gateway.url}{CHAT}", json=HELLO, timeout=120)

            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: double.open == 1, "the request is under way")
            gateway.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 503, "it says that it stops")
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(timeout=60)
            thread.join()
        assert events_of(home, "SELECT status FROM events") == [("canceled",)]


def test_leases_of_a_killed_gateway_run_out_and_the_next_one_takes_over(tmp_path):
    with within(tmp_path, {"double-vlm": served_by_double("--latency", "1")}) as supervised:
        home = home_at(tmp_path, supervised.url)
        settings = {"leases": "enforce", "lease_ttl_s": 2}

        def leases_at(gateway):
            return httpx.get(f"{gateway.url}/v1/leases").json()["standing"]["leases"]

        with GatewayProcess(home, free_port(), **settings) as gateway:

            def ask():
                with suppress(httpx.TransportError):
                    httpx.post(f"{gateway.url}{CHAT}", json=HELLO, timeout=120)

            thread = threading.Thread(target=ask)
            thread.start()
            wait_until(lambda: leases_at(gateway), "it has a lease")
            (lost,) = leases_at(gateway)
            gateway.process.send_signal(signal.SIGKILL)
            thread.join()
        with GatewayProcess(home, free_port(), **settings) as gateway:
            answer = httpx.post(f"{gateway.url}{CHAT}", json=HELLO, timeout=120)
            assert answer.status_code == 200, answer.text
            wait_until(
                lambda: lost["holder"] not in {one["holder"] for one in leases_at(gateway)},
                "the lease of the dead has run out",
            )
