"""What the transport keeps of a server from one request to the next: its connection, and nothing else."""

from __future__ import annotations

import pytest
from aiohttp import web
from served import Served

from backends.transport import Transport
from store.settings import Settings

pytestmark = pytest.mark.anyio


class Baker(Served):
    """Gives everybody a cookie, and says which ones came."""

    def routes(self):
        return [web.get("/", self._answer)]

    async def _answer(self, request):
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.set_cookie("who", "ann")
        return response


async def test_cookies_are_not_kept(tmp_path):
    with Baker() as server:
        async with Transport(Settings(home=tmp_path)) as transport:
            # By its name: aiohttp's own jar keeps none of an address.
            url = server.url.replace("127.0.0.1", "localhost")
            said = [(await transport.get(url)).body for _ in range(2)]
    assert said == [b"none", b"none"]
