"""Memory is free when the device says so: some servers say that a model is gone a moment before its memory is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from backends.errors import LoadingFailed

if TYPE_CHECKING:
    from collections.abc import Callable

# What a model takes is known about, and a driver keeps some of it.
_ENOUGH: Final = 0.9
_FALL_MIB: Final = 64
# Ollama's settles in 0.5 to 1.5 s.
_STILL_S: Final = 2.5
_WITHIN_S: Final = 10.0
_LOOK_S: Final = 0.1


def wait_until_free(
    used_mib: Callable[[], int | None],
    *,
    before_mib: int,
    resident_mib: int,
    going_on: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Return once a device has the memory back, or gives back no more of it. Bounded in time.

    Args:
        used_mib: Memory in use on the device now; None once it cannot be read.
        before_mib: What it was before the model was told to go.
        resident_mib: What the model took, as far as it is known; others may take some of it meanwhile.
        going_on: Asked now and then; when it says no, this gives up.
        clock: Seconds that only rise.
        sleep: Waits for some seconds.

    Raises:
        LoadingFailed: It was given up.
    """
    began = fell_at = clock()
    lowest = before_mib
    while (used := used_mib()) is not None and used > before_mib - _ENOUGH * resident_mib:
        now = clock()
        if used <= lowest - _FALL_MIB:
            lowest, fell_at = used, now
        if now - fell_at >= _STILL_S or now - began >= _WITHIN_S:
            return
        if not going_on():
            raise LoadingFailed("The model is gone, and nobody waited until its memory was free.")
        sleep(_LOOK_S)
