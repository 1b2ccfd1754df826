"""Short questions to a server about itself: a JSON object back, or an error in words."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

import httpx

from backends.errors import LoadingFailed, ModelMisconfigured
from backends.keys import UnusableKey, masked, read_key

if TYPE_CHECKING:
    from backends.leases.records import ServerAddress

_ANSWER_BYTES: Final = 4 * 1024 * 1024
_WORDS: Final = 2000


class Desk:
    """A server's own desk, where it is told what to do with its models."""

    def __init__(self, server: ServerAddress, *, within_s: float = 10.0) -> None:
        """Make one.

        Raises:
            ModelMisconfigured: The environment variable with its key holds none.
        """
        self.server = server
        headers = {"User-Agent": "imageworks"}
        self._key: str | None = None
        if server.key_env is not None:
            try:
                self._key = read_key(server.key_env, os.environ)
            except UnusableKey as error:
                raise ModelMisconfigured(
                    f"The server at {server.url} has its key in the environment variable {error}. Set it."
                ) from error
            headers["Authorization"] = f"Bearer {self._key}"
        self._within_s = within_s
        # No proxy of the environment: a model server is on this machine or beside it. No connection outlives its
        # question, since nobody says when the last one was asked.
        self._client = httpx.Client(
            base_url=server.url,
            timeout=within_s,
            headers=headers,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """A page of the server.

        Raises:
            LoadingFailed: It gave none.
        """
        wait_s = float(query.get("wait_s", 0.0))
        return self._asked("GET", path, params=query, timeout=self._within_s + wait_s)

    def post(self, path: str, body: dict[str, Any], *, within_s: float | None = None) -> dict[str, Any]:
        """What the server says to an order.

        Raises:
            LoadingFailed: It refused, or said nothing.
        """
        return self._asked("POST", path, json=body, timeout=within_s or self._within_s)

    def _asked(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        url = f"{self.server.url}{path}"
        try:
            with self._client.stream(method, path, **options) as response:
                content = b""
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > _ANSWER_BYTES:
                        raise LoadingFailed(f"{url} sent more than {_ANSWER_BYTES >> 20} MiB.")
        except httpx.HTTPError as error:
            raise LoadingFailed(f"{url} does not answer: {str(error) or type(error).__name__}.") from error
        if not response.is_success:
            raise LoadingFailed(
                f"{url} answered {response.status_code}: {_said(content, self._key)}.", response.status_code
            )
        try:
            said = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise LoadingFailed(f"{url} did not answer in JSON.") from error
        return said if isinstance(said, dict) else {}


def _said(content: bytes, key: str | None) -> str:
    text = content.decode("utf-8", "replace")
    try:
        error = json.loads(content).get("error")
    except (ValueError, RecursionError, AttributeError):
        error = None
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(masked(str(message or text), key).split()).rstrip(".")[:_WORDS]
