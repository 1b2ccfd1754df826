"""The way of the requests that come most, past what FastAPI does for all others.

A router, an exit stack and three wrappings of each message are some hundredths of what the gateway adds to a chat whose
model answers at once. The route stands in FastAPI's table all the same, which describes it and tells who asks wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from gateway.edge import error_response, unheard_response
from gateway.errors import GatewayError
from gateway.leaving import Gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send


class Straight:
    """An ASGI middleware that gives the posts of one path to their endpoint, and leaves all else to the application."""

    def __init__(
        self, app: ASGIApp, *, path: str, endpoint: Callable[[Request], Awaitable[Response]], route: BaseRoute
    ) -> None:
        """Stand before an application.

        Args:
            app: It.
            path: Of the posts.
            endpoint: What answers them.
            route: Their place in the application's table, by which they are counted.
        """
        self._app = app
        self._path = path
        self._endpoint = endpoint
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        scope["route"] = self._route
        try:
            response = await self._endpoint(Request(scope, receive, send))
        except GatewayError as error:
            response = error_response(error)
        except Gone:
            response = unheard_response()
        await response(scope, receive, send)
        return None
