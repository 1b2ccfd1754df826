"""The circuit breaker: leave a failing deployment alone, wait for it with a bound, then say that it is down."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from backends.errors import AttemptFailed, BackendDown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 8.0


class Standing(IntEnum):
    """What may be hoped of a deployment; the lower the better."""

    WORKING = 0
    AWAITED = 1
    GIVEN_UP = 2


class Breaker:
    """Watches one deployment for one client. Belongs to one event loop.

    It opens after a number of failures in a row. While it is open, one of those who wait asks now and then
    whether the deployment is alive, which costs no request an attempt; when it is, a single attempt is let
    through, and its success closes the breaker.
    """

    def __init__(
        self, name: str, probe: Callable[[], Awaitable[None]], *, failures: int, wait_s: float
    ) -> None:
        """Make a closed breaker.

        Args:
            name: The deployment, in words, for the message.
            probe: Returns if the deployment seems alive, raises ``AttemptFailed`` if it does not.
            failures: Failures in a row that open the breaker.
            wait_s: Seconds from the opening after which waiting ends with ``BackendDown``.
        """
        self._name = name
        self._probe = probe
        self._limit = failures
        self._wait_s = wait_s
        self._failures = 0
        self._opened_at: float | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._next_trial_at = 0.0
        self._trial: asyncio.Task[object] | None = None
        self._changed = asyncio.Event()
        self._last = "no reason is known"

    @property
    def closed(self) -> bool:
        """Whether attempts pass freely."""
        return self._opened_at is None

    @property
    def standing(self) -> Standing:
        """Whether the deployment works, is waited for, or stayed away for longer than we wait."""
        if self._opened_at is None:
            return Standing.WORKING
        return Standing.AWAITED if self._left_s(self._opened_at) > 0 else Standing.GIVEN_UP

    @property
    def due(self) -> bool:
        """Whether it is open, and time to ask whether the deployment is alive."""
        return self._opened_at is not None and self._trial is None and _now() >= self._next_trial_at

    async def admit(self, better: Callable[[], bool] = lambda: False) -> bool:
        """Wait until an attempt may be made. Who is admitted reports with ``report``.

        Args:
            better: Whether another deployment stands better by now. Then this one is asked whether it is alive if
                that is due, and not waited for.

        Returns:
            Whether the attempt may be made here; False if it should be made elsewhere.

        Raises:
            BackendDown: The deployment did not come back in time.
        """
        while self._opened_at is not None:
            left = self._left_s(self._opened_at)
            if self.due and (left > 0 or better()):
                if await self._is_alive():
                    return True
                continue
            if better():
                return False
            if left <= 0:
                raise BackendDown(
                    f"{self._name} failed {self._failures} times in a row and did not come back within "
                    f"{self._wait_s:g} s; last: {self._last} What was answered is kept. Start the server, then run "
                    f"this again: only what is missing will be asked."
                )
            await self._change(left if self._trial is not None else min(left, self._next_trial_at - _now()))
        return True

    def report(self, failure: AttemptFailed | None) -> None:
        """Say how an admitted attempt ended.

        Args:
            failure: None if the deployment answered, whatever it answered.
        """
        ended_trial = self._end_trial()
        if failure is None or not failure.counts_against_backend:
            self.forgive()
            return
        self._failures += 1
        self._last = str(failure)
        if self._opened_at is None and self._failures >= self._limit:
            self._opened_at = _now()
            self._next_trial_at = self._opened_at + self._pause_s
            self._wake()
        elif ended_trial:
            self._put_off()

    def abandon(self) -> None:
        """Say that an admitted attempt was canceled: nothing is known."""
        if self._end_trial():
            self._wake()

    def forgive(self) -> None:
        """Forget the failures: the deployment begins anew."""
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._pause_s = _FIRST_PAUSE_S
            self._wake()

    async def _is_alive(self) -> bool:
        self._trial = asyncio.current_task()
        try:
            await self._probe()
        except AttemptFailed as error:
            self._last = str(error)
            self._end_trial()
            self._put_off()
            return False
        except BaseException:
            self.abandon()
            raise
        return True

    def _left_s(self, opened_at: float) -> float:
        return opened_at + self._wait_s - _now()

    def _put_off(self) -> None:
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        self._next_trial_at = _now() + self._pause_s
        self._wake()

    def _end_trial(self) -> bool:
        if self._trial is None or self._trial is not asyncio.current_task():
            return False
        self._trial = None
        return True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return


def _now() -> float:
    return asyncio.get_running_loop().time()
