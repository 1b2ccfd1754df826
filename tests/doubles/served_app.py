"""An ASGI application behind uvicorn, in a thread of its own, on a free port of the loopback."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backends.services.serving import web_server

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_S = 30


@contextmanager
def served_app(app: Any) -> Iterator[str]:
    """The application's base URL, while it is served."""
    server = web_server(app, host="127.0.0.1", port=0, log_level="error", lifespan="on")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + READY_S
    while not server.started:
        assert thread.is_alive(), "the server ended before it began"
        assert time.monotonic() < deadline, "the server did not begin"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
