"""Whom a request says it is for: a page in a browser can give its own name this machine's address, and ask here."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

_NAME_AND_PORT: Final = re.compile(r"(\[[^\[\]]+\]|[^\[\]:]+)(:[0-9]*)?")
_SHOWN: Final = 80


class TrustedHosts:
    """An ASGI middleware: passes on only what is for the loopback, or for the host that is listened on."""

    def __init__(self, app: ASGIApp, *, host: str, refused: Callable[[str], ASGIApp]) -> None:
        """Stand before an application.

        Args:
            app: The application.
            host: What it listens on. For all of a machine's addresses, whose names nobody knows, all passes.
            refused: Makes the answer to a request for another host, from a message.
        """
        self._app = app
        self._host = host.lower()
        self._refused = refused
        self._is_open = is_every_address(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or self._is_open:
            return await self._app(scope, receive, send)
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) == 1 and self._is_trusted(given[0]):
            return await self._app(scope, receive, send)
        shown = ", ".join(given)[:_SHOWN]
        refusal = self._refused(
            f"The header Host says {shown!r}, which is not this service: ask it by {self._host} or 127.0.0.1."
        )
        return await refusal(scope, receive, send)

    def _is_trusted(self, given: str) -> bool:
        match = _NAME_AND_PORT.fullmatch(given.lower())
        if match is None:
            return False
        name = match[1].strip("[]")
        return name == self._host or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_every_address(host: str) -> bool:
    """Whether who listens on this listens on all of the machine's addresses."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host
