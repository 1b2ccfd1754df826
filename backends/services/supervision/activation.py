"""One activation: a model from its start to its end, through crashes and restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from backends.services.supervision.admission import Admission
from backends.services.supervision.child import Child, refuse_taken_port
from backends.services.supervision.errors import BadCommand, CannotStart, NotReady
from backends.services.supervision.output import Output
from backends.services.supervision.restarting import wait_before_restart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.services.supervision.configuration import Configuration

State = Literal["starting", "ready", "draining", "stopping", "backing_off", "failed"]

IsHealthy = Callable[[str, float], Awaitable[bool]]
"""Whether the model server answers 200 at a path, within so many seconds."""

_LOADING_S: Final = 0.25
_RETRY_AFTER_S: Final[dict[State, int]] = {"starting": 5, "backing_off": 5, "draining": 10, "stopping": 10}


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a server's life ended though nobody asked for it.

    Attributes:
        words: What happened.
        final: Whether starting it anew would not help.
    """

    words: str
    final: bool = False


class Activation:
    """A model that is active: at most one process tree at any time.

    Attributes:
        model: Its name.
        state: Where it stands.
        since: When it came to stand there, in seconds of the epoch.
        error: What went wrong last, None if nothing did since it was ready.
        restarts: Times that its server was started anew.
        admission: Whose requests are let in.
        output: What its servers wrote.
    """

    def __init__(
        self,
        model: str,
        token: int,
        *,
        configuration: Configuration,
        environ: Mapping[str, str],
        is_healthy: IsHealthy,
        changed: Callable[[], None],
    ) -> None:
        """Start the model.

        Args:
            model: One of the configuration's.
            token: The activation's.
            configuration: How it is served, watched and restarted.
            environ: The environment that its server gets, beside its own variables.
            is_healthy: Looks at the server.
            changed: Called after each change of the state.
        """
        self.model = model
        self.state: State = "starting"
        self.since = time.time()
        self.error: str | None = None
        self.restarts = 0
        self.admission = Admission(token)
        self.output = Output()
        self._served = configuration.models[model]
        self._port = configuration.child_port
        self._rules = configuration.restarts
        self._watch = configuration.watch
        self._environ = {**environ, **self._served.env}
        self._is_healthy = is_healthy
        self._changed = changed
        self._child: Child | None = None
        self._crashes: list[float] = []
        self._leave = asyncio.Event()
        self._life = asyncio.create_task(self._live(), name=f"activation of {model}")

    @property
    def pid(self) -> int | None:
        """The server's process id; None while there is none."""
        return None if self._child is None else self._child.pid

    @property
    def is_leaving(self) -> bool:
        """Whether it was asked to end."""
        return self._leave.is_set()

    async def resident_mib(self) -> int | None:
        """Resident memory of the server's process tree in MiB; None while there is none."""
        # All of /proc is read, which takes its time on a large machine.
        return None if self._child is None else await asyncio.to_thread(self._child.resident_mib)

    def check_ready(self) -> None:
        """Let pass when requests can be answered.

        Raises:
            NotReady: The server does not answer yet, or not any more.
        """
        if self.state == "ready":
            return
        why = f": {self.error.rstrip('.')}" if self.error else ""
        raise NotReady(
            f"The model {self.model} is {self.state.replace('_', ' ')}{why}.",
            retry_after_s=_RETRY_AFTER_S.get(self.state),
        )

    def leave(self) -> None:
        """Let no request in any more, and end the server when those in flight have ended."""
        self._leave.set()
        if self.state == "ready":
            self._enter("draining")
        elif self.state != "draining":
            self._enter("stopping")

    async def left(self) -> None:
        """Return once every process of the server has ended.

        Raises:
            Exception: What broke the activation, a mistake in this code.
        """
        await asyncio.shield(self._life)

    def _enter(self, state: State, error: str | None = None) -> None:
        self.state, self.since = state, time.time()
        self.error = None if state == "ready" else error or self.error
        self._changed()

    async def _live(self) -> None:
        try:
            await self._live_and_restart()
        except Exception as error:
            # Without this a mistake would leave a model that is said to be ready and has no server.
            self._enter("failed", f"the supervisor itself made a mistake: {error!r}")
            raise

    async def _live_and_restart(self) -> None:
        while not self.is_leaving:
            trouble = await self._serve()
            if trouble is None or self.is_leaving:
                return
            self._crashes.append(time.monotonic())
            wait_s = None if trouble.final else wait_before_restart(self._crashes, self._rules)
            if wait_s is None:
                self._enter("failed", self._why_failed(trouble))
                return
            self._enter("backing_off", trouble.words)
            if await _is_over(self._leave.wait(), within_s=wait_s):
                return
            self.restarts += 1
            self._enter("starting")

    def _why_failed(self, trouble: _Trouble) -> str:
        if trouble.final:
            return trouble.words
        rules = self._rules
        crashes = f"{rules.give_up_after} crashes within {rules.within_s:g} s"
        return f"{trouble.words.rstrip('.')}; after {crashes} it is left alone"

    async def _serve(self) -> _Trouble | None:
        """One server from its start to the end of its processes; None when it was asked to end."""
        try:
            refuse_taken_port(self._port)
            self._child = await Child.start(self._served.arguments(self._port), self._environ, self.output)
        except CannotStart as error:
            return _Trouble(str(error), final=isinstance(error, BadCommand))
        try:
            trouble = await self._load(self._child) or await self._look_after(self._child)
            if trouble is None:
                await self._drain(self._child)
                self._enter("stopping")
            elif self.state == "ready":
                # Its processes may take a while to end; requests are not for them any more.
                self._enter("backing_off", trouble.words)
            return trouble
        finally:
            await self._child.end(self._served.stop_s)
            self._child = None

    async def _load(self, child: Child) -> _Trouble | None:
        """Until it is ready or asked to end."""
        try:
            async with asyncio.timeout(self._served.load_timeout_s):
                wait_s = min(_LOADING_S, self._watch.every_s)
                while not (await self._looks_healthy(child) or await self._ended_or_left(child, wait_s)):
                    pass
        except TimeoutError:
            return _Trouble(
                f"the server was not ready within {self._served.load_timeout_s:g} s (load_timeout_s)",
                final=True,
            )
        if child.has_ended:
            return _Trouble(f"the server {await child.ended()} before it was ready")
        if not self.is_leaving:
            self._enter("ready")
        return None

    async def _look_after(self, child: Child) -> _Trouble | None:
        """Until it is in trouble or asked to end."""
        failed_looks = 0
        while not await self._ended_or_left(child, self._watch.every_s):
            if await self._looks_healthy(child):
                failed_looks = 0
            elif not child.has_ended and not self.is_leaving:
                failed_looks += 1
            if failed_looks >= self._watch.unhealthy_after:
                return _Trouble(
                    f"the server lives, but {self._served.health} failed {failed_looks} times in a row, "
                    "so it was ended"
                )
        return _Trouble(f"the server {await child.ended()}") if child.has_ended else None

    async def _drain(self, child: Child) -> None:
        if self.state == "draining":
            await _is_over(self.admission.empty(), child.ended(), within_s=self._served.drain_s)

    async def _looks_healthy(self, child: Child) -> bool:
        """Look once; a server that ends, or is asked to, meanwhile is not healthy."""
        look = asyncio.ensure_future(self._is_healthy(self._served.health, self._watch.timeout_s))
        await _is_over(look, child.ended(), self._leave.wait(), within_s=self._watch.timeout_s + 1)
        return not look.cancelled() and look.result() and not child.has_ended

    async def _ended_or_left(self, child: Child, within_s: float) -> bool:
        return await _is_over(child.ended(), self._leave.wait(), within_s=within_s)


async def _is_over(*events: Awaitable[object], within_s: float) -> bool:
    """Tell whether one of these happened, as soon as it did and after so many seconds at the latest."""
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        done, _ = await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
