"""HTTP to the model server, which listens on the loopback of this machine."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import TracebackType

_CONNECT_S: Final = 5
# vLLM's server drops idle connections after 5 s: ours go first.
_KEEP_ALIVE_S: Final = 4
_OWN_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class ModelServer:
    """A pool of connections to the server. An asynchronous context manager, for one event loop.

    No timeout ends an answer: the supervisor watches the server, and a client that waits too long goes away.
    """

    def __init__(self, port: int) -> None:
        """Connect to nothing yet.

        Args:
            port: Where the server listens.
        """
        self._origin = f"http://127.0.0.1:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            # What passes here stays as it is: no cookie of one client for another, no header of ours.
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_OWN_HEADERS,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open_session().close()

    async def is_healthy(self, path: str, within_s: float) -> bool:
        """Whether GET of this path answers 200 within so many seconds."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        try:
            async with self._open_session().get(
                self._origin + path, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status == HTTPStatus.OK
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def ask(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send a request and return its answer's beginning; the caller closes it.

        Args:
            method: HTTP method.
            target: Path and query, encoded as they came.
            headers: All headers, save Host.
            body: Pieces of the body; None without one.

        Raises:
            aiohttp.ClientError: The server cannot be reached, or broke off.
        """
        return await self._open_session().request(
            method,
            URL(self._origin + target, encoded=True),
            headers=list(headers),
            data=body,
            allow_redirects=False,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("a ModelServer is used outside its context")
        return self._session
