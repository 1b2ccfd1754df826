"""A gateway as it is served, in a thread of its own, in a home of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from gateway.app import create_app
from gateway.keys import Keys
from gateway.serving import web_server
from prompt_hub.revisions.access import Access, system_user
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 30


def registry_of(url: str) -> str:
    """A registry with one model that the double serves."""
    return f"""
roles: {{judge: talker, caption: talker}}
models:
  talker:
    aliases: [gpt-local]
    roles: [judge, caption]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 2048}}
    deployments:
      - {{name: only, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
  blind:
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
    deployments:
      - {{name: only, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
"""


class Gateway:
    """The server. Use as a context manager.

    Attributes:
        settings: In force.
        app: What is served.
        url: Where it is.
    """

    def __init__(self, home: Path, registry: str, **settings: Any) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / "registry.yaml").write_text(registry)
        self.settings = Settings(
            home=home, gateway_port=0, **{"attempts": 2, "breaker_wait_s": 1, **settings}
        )
        self.app = create_app(settings=self.settings)
        self._server = web_server(self.app, self.settings, log_level="error")
        # uvicorn's own looks ten times a second whether it is to stop, which hundreds of tests would wait for.
        self._server.main_loop = self._until_told  # type: ignore[method-assign]
        self._told: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + READY_S
        while not self._server.started:
            assert self._thread.is_alive(), "the gateway ended before it began"
            assert time.monotonic() < deadline, "the gateway did not begin"
            time.sleep(0.01)
        return self

    async def _until_told(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        # It tells whether it is to stop already.
        if not await self._server.on_tick(0):
            await self._told.wait()

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._told is not None:
            self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def key_of(self, identity: str, *, role: str | None = None, requests_a_minute: int | None = None) -> str:
        """A new API key. Made before the gateway is opened, it is known at once."""
        with StateDatabase.open(self.settings) as database:
            if role is not None:
                Access(database).give(system_user(), identity, role)
            return Keys(database).make(identity, requests_a_minute=requests_a_minute)[1]
