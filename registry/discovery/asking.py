"""Short questions to a server that may be anything: bounded in time and in bytes, JSON or nothing."""

from __future__ import annotations

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
        # No proxy of the environment: a model server is on this machine or beside it. Nothing compressed: a small
        # answer could fill the memory.
        self._client = httpx.Client(
            timeout=httpx.Timeout(page_s, connect=min(page_s, _CONNECT_S)),
            headers={"Accept-Encoding": "identity", "User-Agent": "imageworks"},
            trust_env=False,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

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
        url, now, content = f"{self._url}{path}", time.monotonic(), b""
        until = min(now + self._page_s, self._until)
        if now > self._until:
            raise ServerSilent(
                f"{self._url} was asked for {_SERVER_S:g} s, and is not through with its models"
            )
        try:
            with self._client.stream(method, url, **options) as response:
                for piece in response.iter_raw():
                    content += piece
                    if len(content) > self._answer_bytes:
                        raise ServerSilent(f"{url} sent more than {self._answer_bytes:,} bytes")
                    if time.monotonic() > until:
                        raise ServerSilent(f"{url} sent no whole answer within {self._page_s:g} s")
        except httpx.HTTPError as error:
            raise ServerSilent(f"{url} does not answer: {str(error) or type(error).__name__}") from error
        try:
            return response.status_code, json.loads(content)
        except (ValueError, RecursionError):
            return response.status_code, None


def found_at(status: int, said: Any) -> Any:
    """What a page says if it is one; None for an error's words."""
    return said if status == _OK else None
