"""The supervisor's orders: which model is active, fenced by tokens, one at a time."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from backends.services.supervision.activation import Activation, IsHealthy
from backends.services.supervision.errors import Busy, NotReady, StaleToken, StillEnding, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from backends.services.supervision.configuration import Configuration, DeviceDescription
    from backends.services.supervision.device_memory import DeviceMemory

VERSION: Final = 1
"""Of the HTTP contract."""

LONGEST_WAIT_S: Final = 30.0
_TAIL_LINES: Final = 20
# Beyond the drain and SIGTERM: what SIGKILL does not end by then hangs in a driver.
_KILL_S: Final = 30.0
_NOTHING_ACTIVE: Final = "none"


class Supervisor:
    """At most one active model; orders older than the newest one are refused. For one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        environ: Mapping[str, str],
        is_healthy: IsHealthy,
        device_memory: DeviceMemory | None = None,
    ) -> None:
        """Nothing is active.

        Args:
            configuration: What may be started, and how.
            environ: The environment that model servers get.
            is_healthy: Looks at a model server.
            device_memory: Of the card or slice; None where it cannot be told.
        """
        self.configuration = configuration
        self.boot = uuid.uuid4().hex
        self._environ = environ
        self._is_healthy = is_healthy
        self._device_memory = device_memory
        self._active: Activation | None = None
        self._latest: Activation | None = None
        self._highest_token = 0
        self._changes = asyncio.Condition()
        self._announcements: set[asyncio.Task[None]] = set()

    def activate(self, model: str, token: int) -> None:
        """Start a model, unless it is active already.

        Args:
            model: One of the configuration's.
            token: Of whoever orders it; leases below it are stale from now on.

        Raises:
            UnknownModel: There is no such model.
            StaleToken: A newer order was followed already.
            Busy: Another model is active, or this one is being deactivated.
        """
        if model not in self.configuration.models:
            raise UnknownModel(
                f"There is no model {model!r} here; there are {', '.join(self.configuration.models)}."
            )
        self._check_token(token)
        active = self._active
        if active is not None and (active.model != model or active.is_leaving):
            raise Busy(
                f"The model {active.model} is {active.state.replace('_', ' ')}: "
                "deactivate it, and wait until it has ended."
            )
        self._highest_token = token
        if active is not None and active.state != "failed":
            active.admission.token = token
            return
        self._active = self._latest = Activation(
            model,
            token,
            configuration=self.configuration,
            environ=self._environ,
            is_healthy=self._is_healthy,
            changed=self._announce,
        )
        self._announce()

    async def deactivate(self, token: int) -> None:
        """End the active model. Returns when all its processes have ended, or at once if nothing is active.

        Args:
            token: Of whoever orders it.

        Raises:
            StaleToken: A newer order was followed already.
            StillEnding: Processes were killed and have not ended in time; asking again waits for them again.
        """
        self._check_token(token)
        self._highest_token = token
        await self._end()

    async def close(self) -> None:
        """End the active model, if there is one, whatever its token.

        Raises:
            StillEnding: As `deactivate`.
        """
        await self._end()

    def revoke(self, tokens: Iterable[int]) -> None:
        """Refuse these leases until another activation.

        Raises:
            TooManyRevoked: More of them than are remembered.
        """
        if self._active is not None:
            self._active.admission.revoke(tokens)

    @contextmanager
    def admitted(self, lease: int | None) -> Iterator[None]:
        """Count a request to the active model as in flight, for as long as the context is open.

        Raises:
            NotReady: No model is active, or it cannot answer.
            StaleLease: The lease was given before this activation, or revoked.
        """
        active = self._active
        if active is None:
            raise NotReady(
                "No model is active. Leases activate what is asked for (IMAGEWORKS_LEASES=enforce where it is asked "
                "from); without them, activate it by hand with POST /activate."
            )
        active.admission.check(lease)
        active.check_ready()
        with active.admission.counted():
            yield

    def log_lines(self, count: int) -> list[str]:
        """The last lines that the active model wrote, or the one that was active last."""
        return [] if self._latest is None else self._latest.output.last(count)

    async def view(self) -> dict[str, Any]:
        """The state, as the HTTP contract has it: as it is now, with the memory that is used a moment later."""
        active, device = self._active, self.configuration.device
        view: dict[str, Any] = {
            "service": "imageworks-supervisor",
            "version": VERSION,
            "provider": self.configuration.provider,
            "boot": self.boot,
            "token": self._highest_token,
            "device": None if device is None else device.model_dump(),
            "models": list(self.configuration.models),
            "active": None if active is None else _view_of(active),
        }
        resident = None
        if active is not None:
            resident = view["active"]["rss_mib"] = await active.resident_mib()
        if device is not None:
            view["device"]["used_mib"] = await self._used_mib(device, resident)
        return view

    async def changed_from(self, state: str, within_s: float) -> None:
        """Return when the active model's state is another one (``none`` if no model is active), or the time is over.

        Args:
            state: The state that the caller knows.
            within_s: Seconds, at most `LONGEST_WAIT_S`.
        """
        async with self._changes:
            try:
                async with asyncio.timeout(min(within_s, LONGEST_WAIT_S)):
                    await self._changes.wait_for(lambda: self._state() != state)
            except TimeoutError:
                return

    def _state(self) -> str:
        return _NOTHING_ACTIVE if self._active is None else self._active.state

    async def _used_mib(self, device: DeviceDescription, resident: int | None) -> int | None:
        if device.kind == "host":
            return resident or 0
        return None if self._device_memory is None else await self._device_memory.used_mib()

    def _check_token(self, token: int) -> None:
        if token < self._highest_token:
            raise StaleToken(
                f"The token {token} is older than {self._highest_token}, which was followed already: "
                "whoever holds it was overtaken."
            )

    async def _end(self) -> None:
        active = self._active
        if active is None:
            return
        if not active.is_leaving:
            active.leave()
        served = self.configuration.models[active.model]
        patience_s = served.drain_s + served.stop_s + _KILL_S
        try:
            async with asyncio.timeout(patience_s):
                await active.left()
        except TimeoutError as error:
            raise StillEnding(
                f"The model {active.model} was killed and has not ended within {patience_s:g} s: its driver may hang. "
                "Its memory is not free."
            ) from error
        if self._active is active:
            self._active = None
            self._announce()

    def _announce(self) -> None:
        announcement = asyncio.create_task(self._tell_all())
        self._announcements.add(announcement)
        announcement.add_done_callback(self._announcements.discard)

    async def _tell_all(self) -> None:
        async with self._changes:
            self._changes.notify_all()


def _view_of(active: Activation) -> dict[str, Any]:
    troubled = active.state in {"failed", "backing_off"}
    return {
        "model": active.model,
        "state": active.state,
        "token": active.admission.token,
        "since": round(active.since, 3),
        "pid": active.pid,
        "restarts": active.restarts,
        "in_flight": active.admission.in_flight,
        "rss_mib": None,
        "error": active.error,
        "log_tail": active.output.last(_TAIL_LINES) if troubled else [],
    }
