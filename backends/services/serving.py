"""How our services are served: uvicorn, with bounds on what a request's head may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def web_server(app: ASGIApp, *, host: str, port: int, **options: Any) -> uvicorn.Server:
    """A server of an application, which is still to be run.

    Args:
        app: The application.
        host: Address to listen on.
        port: Port to listen on; 0 for a free one.
        options: Further ones of uvicorn.
    """
    # h11 takes 64 KiB of headers; httptools, which is the default, takes them without end. A log of requests would
    # show the names of pictures.
    return uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, http="h11", ws="none", access_log=False, **options)
    )
