"""How much of a card or slice is used: read in a thread, and not waited for where the driver hangs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

READ_S: Final = 2.0
"""Seconds that a reading is waited for."""


class DeviceMemory:
    """One device's used memory; for one event loop."""

    def __init__(self, read: Callable[[], int | None]) -> None:
        """Read nothing yet.

        Args:
            read: Gives the MiB, or None where it cannot tell; called in one thread at a time.
        """
        self._read = read
        self._reading: asyncio.Future[int | None] | None = None

    async def used_mib(self) -> int | None:
        """The MiB; None where it cannot be told, or not within `READ_S`."""
        if self._reading is None or self._reading.done():
            self._reading = _in_thread(self._read)
        done, _ = await asyncio.wait({self._reading}, timeout=READ_S)
        return self._reading.result() if done else None


def _in_thread(read: Callable[[], int | None]) -> asyncio.Future[int | None]:
    """The reading, from a daemon: who ends would wait for any other thread, for ever if the driver hangs."""
    loop = asyncio.get_running_loop()
    reading: asyncio.Future[int | None] = loop.create_future()

    def tell(how: Callable[[Any], None], what: Any) -> None:
        # A loop that is closed has nobody left to tell.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(how, what)

    def work() -> None:
        try:
            used = read()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            tell(reading.set_exception, error)
        else:
            tell(reading.set_result, used)

    threading.Thread(target=work, name="device memory", daemon=True).start()
    return reading
