"""Requests for this machine pass, and those of a page whose name was given this machine's address do not."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from backends.trusted_hosts import TrustedHosts


async def answer(host, *given):
    app = TrustedHosts(
        PlainTextResponse("passed"), host=host, refused=lambda words: PlainTextResponse(words, 400)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://unused") as client:
        return await client.get("/", headers=[("Host", one) for one in given])


@pytest.mark.anyio
@pytest.mark.parametrize("port", ["", ":", ":8600"])
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.1.1", "[::1]", "club-pc"])
async def test_the_loopback_and_the_host_that_is_listened_on_pass_with_any_port(name, port):
    assert (await answer("Club-PC", name + port)).text == "passed"


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["::1", "fd00::1"])
async def test_an_address_of_version_6_passes_in_brackets(host):
    assert (await answer(host, f"[{host}]:5105")).text == "passed"
    assert (await answer("127.0.0.1", "[fd00::2]:5105")).status_code == 400


@pytest.mark.anyio
@pytest.mark.parametrize(
    "given",
    [
        "evil.example",
        "localhost.evil.example:8600",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:8600:127.0.0.1",
        "[::1]evil.example",
        "[::1",
        "",
        "é",
    ],
)
async def test_any_other_host_is_refused(given):
    refused = await answer("127.0.0.1", given.encode())
    assert refused.status_code == 400
    assert "ask it by 127.0.0.1" in refused.text


@pytest.mark.anyio
async def test_two_hosts_are_refused():
    assert (await answer("127.0.0.1", "127.0.0.1", "evil.example")).status_code == 400


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
async def test_who_listens_on_every_address_is_asked_by_any_name(host):
    assert (await answer(host, "club-pc")).text == "passed"
