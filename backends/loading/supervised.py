"""A model server behind our supervisor: vLLM, TensorRT-LLM or the TF-IQA worker as its child."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from backends.errors import LoadingFailed
from backends.loading.asking import Desk
from backends.loading.protocol import Found, Inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.records import ServerAddress

_LOG: Final = logging.getLogger(__name__)

SERVICE: Final = "imageworks-supervisor"
"""What a supervisor calls itself in its state."""

NOT_A_SUPERVISOR: Final = frozenset({404, 405})
"""What an ordinary model server answers to a question for its state."""

_LOOK_S: Final = 5
# It lets requests end first, and kills at last; its own bounds come before this one.
_UNLOAD_S: Final = 180.0
_LOG_LINES: Final = 12


class Supervised:
    """One supervisor, and one of the models in its configuration."""

    def __init__(self, server: ServerAddress) -> None:
        """Make one; nothing is connected to yet."""
        self._model = server.served_model_id
        self._desk = Desk(server)

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        """See ``Loading``; another model that is there is ended first.

        The ledger has that one on no list, or it would have made room: it was activated by hand or in another mode, or
        its own loading failed, and it would be in the way until somebody ended it by hand.
        """
        there = _active(self._desk.get("/state"))
        if there.get("model") not in {None, self._model}:
            _LOG.warning(
                "%s has %s (%s), of which the ledger knows nothing: it makes room for %s.",
                self._where,
                there.get("model"),
                there.get("state"),
                self._model,
            )
            self.unload(token, going_on=going_on)
        state = self._desk.post("/activate", {"model": self._model, "token": token})
        while going_on():
            active = _active(state)
            if active.get("model") != self._model:
                raise LoadingFailed(f"{self._where} stopped {self._model} while it was loading.")
            if active.get("state") == "ready":
                return _memory(state)
            if active.get("state") == "failed":
                raise LoadingFailed(f"{self._where} could not load {self._model}: {_last_words(active)}")
            state = self._desk.get("/state", wait_s=_LOOK_S, **{"not": active.get("state", "")})
        raise LoadingFailed(f"{self._where} was loading {self._model}, and somebody else goes on with it.")

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        """See ``Loading``; a supervisor says so only once every process of its child has ended."""
        del going_on
        self._desk.post("/deactivate", {"token": token}, within_s=_UNLOAD_S)

    def revoke(self, token: int) -> None:
        """See ``Loading``."""
        self._desk.post("/revoke", {"tokens": [token]})

    def close(self) -> None:
        """See ``Loading``."""
        self._desk.close()

    def inventory(self) -> Inventory:
        """See ``Loading``."""
        state = self._desk.get("/state")
        if state.get("service") != SERVICE:
            raise LoadingFailed(f"{self._desk.server.url} is no supervisor.", min(NOT_A_SUPERVISOR))
        active = _active(state)
        name, highest = active.get("model"), _whole(state.get("token"))
        if not isinstance(name, str) or active.get("state") == "failed":
            return Inventory(token=highest)
        ready = active.get("state") == "ready"
        found = Found(name, ready, _whole(active.get("token")), _memory(state))
        return Inventory((found,), highest, _device(state))

    @property
    def _where(self) -> str:
        return f"The supervisor at {self._desk.server.url}"


def _active(state: dict[str, Any]) -> dict[str, Any]:
    active = state.get("active")
    return active if isinstance(active, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _memory(state: dict[str, Any]) -> int | None:
    """What the model takes, where that can be told: a card's used memory may be others' too."""
    device = state.get("device")
    on_host = isinstance(device, dict) and device.get("kind") == "host"
    return (_whole(_active(state).get("rss_mib")) or None) if on_host else None


def _device(state: dict[str, Any]) -> str | None:
    device = state.get("device")
    name = device.get("name") if isinstance(device, dict) else None
    return name if isinstance(name, str) else None


def _last_words(active: dict[str, Any]) -> str:
    log = active.get("log_tail")
    lines = [str(line).rstrip() for line in log][-_LOG_LINES:] if isinstance(log, list) else []
    return "\n".join([str(active.get("error") or "it says nothing of why."), *lines])
