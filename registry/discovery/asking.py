"""Short questions to a server that may be anything: bounded in time and in bytes, JSON or nothing."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from registry.errors import ServerSilent

if TYPE_CHECKING:
    from types import TracebackType

_ANSWER_BYTES: Final = 2 * 1024 * 1024
_CONNECT_S: Final = 3.0
_PAGE_S: Final = 10.0
_SERVER_S: Final = 60.0
_OK: Final = 200


class Questions:
    """Asks one server. Use as a context manager."""

    def __init__(self, url: str, *, page_s: float = _PAGE_S, answer_bytes: int = _ANSWER_BYTES) -> None:
        """Make one; nothing is connected to yet.

        Args:
            url: Its address, without ``/v1``.
            page_s: Seconds for one page, however slowly it comes.
            answer_bytes: Bytes of one page.
        """
        self._url = url
        self._page_s = page_s
        self._until = time.monotonic() + _SERVER_S
        self._answer_bytes = answer_bytes
        # An event loop of its own: a question can then be given up wherever it stands.
        self._runner = asyncio.Runner()
        # No proxy of the environment: a model server is on this machine or beside it. Nothing compressed: a small
        # answer could fill the memory.
        self._client = httpx.AsyncClient(
            # A page's own bound is kept apart: these are for one read, and a drop in time would begin them anew.
            timeout=httpx.Timeout(None, connect=min(page_s, _CONNECT_S)),
            headers={"Accept-Encoding": "identity", "User-Agent": "imageworks"},
            trust_env=False,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def get(self, path: str) -> tuple[int, Any]:
        """A page's status, and its JSON; None where it is none.

        Raises:
            ServerSilent: Nothing came, too much, or too slowly.
        """
        return self._asked("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """What is answered to a body in JSON; as `get`.

        Raises:
            ServerSilent: As `get`.
        """
        return self._asked("POST", path, json=body)

    def _asked(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        left_s = self._until - time.monotonic()
        if left_s < 0:
            raise ServerSilent(
                f"{self._url} was asked for {_SERVER_S:g} s, and is not through with its models"
            )
        page = self._page(method, f"{self._url}{path}", min(self._page_s, left_s), **options)
        status, content = self._runner.run(page)
        try:
            return status, json.loads(content)
        except (ValueError, RecursionError):
            return status, None

    async def _page(self, method: str, url: str, within_s: float, **options: Any) -> tuple[int, bytes]:
        content = b""
        try:
            async with (
                asyncio.timeout(within_s),
                self._client.stream(method, url, **options) as response,
            ):
                async for piece in response.aiter_raw():
                    content += piece
                    if len(content) > self._answer_bytes:
                        raise ServerSilent(f"{url} sent more than {self._answer_bytes:,} bytes")
        except TimeoutError as error:
            raise ServerSilent(f"{url} sent no whole answer within {within_s:.3g} s") from error
        except httpx.HTTPError as error:
            raise ServerSilent(f"{url} does not answer: {str(error) or type(error).__name__}") from error
        return response.status_code, content


def found_at(status: int, said: Any) -> Any:
    """What a page says if it is one; None for an error's words."""
    return said if status == _OK else None
