"""Ollama: a request without a prompt loads a model, and one that keeps it for no time unloads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from backends.errors import LoadingFailed
from backends.loading.asking import Desk
from backends.loading.protocol import Found, Inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.records import ServerAddress

_MIB: Final = 1024 * 1024
_LOAD_S: Final = 900.0
_LOOK_S: Final = 0.1
_GONE_WITHIN_S: Final = 60.0
_DEFAULT_TAG: Final = ":latest"


class OllamaLoading:
    """One Ollama server, and one of its models."""

    def __init__(self, server: ServerAddress) -> None:
        """Make one; nothing is connected to yet."""
        self._model = server.served_model_id
        self._desk = Desk(server)

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        """See ``Loading``; it fences nothing."""
        del token, going_on
        # Without an end: when it goes is decided by who needs its room.
        self._desk.post("/api/chat", {**self._body(keep_alive=-1), **self._options()}, within_s=_LOAD_S)
        found = self._among(self.inventory().found)
        if found is None:
            raise LoadingFailed(f"{self._where} said that it loaded {self._model}, and does not have it.")
        return found.memory_mib

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        """See ``Loading``: it answers at once, so what it has is asked until the model is not among it.

        Its memory is free up to 1.5 s later. Of a card of this machine, who switches waits for the driver to show it;
        of another machine's, or where no driver tells, this is all there is to rely on, and Ollama's own waiting for
        room before it loads.
        """
        del token
        self._desk.post("/api/chat", self._body(keep_alive=0))
        until = time.monotonic() + _GONE_WITHIN_S
        while self._among(self.inventory().found) is not None:
            if time.monotonic() > until or not going_on():
                raise LoadingFailed(f"{self._where} was told to unload {self._model}, and still has it.")
            time.sleep(_LOOK_S)

    def revoke(self, token: int) -> None:
        """See ``Loading``; it knows no tokens, so there is nothing to do."""

    def close(self) -> None:
        """See ``Loading``."""
        self._desk.close()

    def inventory(self) -> Inventory:
        """See ``Loading``."""
        listed = self._desk.get("/api/ps").get("models")
        return Inventory(
            tuple(
                Found(card["name"], ready=True, memory_mib=_mib(card))
                for card in (listed if isinstance(listed, list) else [])
                if isinstance(card, dict) and isinstance(card.get("name"), str)
            )
        )

    def _among(self, found: tuple[Found, ...]) -> Found | None:
        names = {self._model, f"{self._model}{_DEFAULT_TAG}"}
        return next((one for one in found if one.served_model_id in names), None)

    def _body(self, *, keep_alive: int) -> dict[str, Any]:
        return {"model": self._model, "messages": [], "stream": False, "keep_alive": keep_alive}

    def _options(self) -> dict[str, Any]:
        # Those of the questions that will come: for others it would load the model anew.
        context_tokens = self._desk.server.context_tokens
        return {} if context_tokens is None else {"options": {"num_ctx": context_tokens}}

    @property
    def _where(self) -> str:
        return f"Ollama at {self._desk.server.url}"


def _mib(card: dict[str, Any]) -> int | None:
    size = card.get("size_vram") or card.get("size")
    return size // _MIB if isinstance(size, int) and size > 0 else None
