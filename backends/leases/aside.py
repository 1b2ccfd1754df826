"""Calls that block, beside the event loop: in daemon threads, so that nothing that ends waits for them.

Those of an executor are joined when the loop or the interpreter ends, and a server that does not answer would hold up
a run that is to be over.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


async def aside(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call it in a thread of its own, and wait; whoever is cancelled leaves it to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        try:
            result = work(*args, **options)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            tell(partial(future.set_exception, error))
        else:
            tell(partial(future.set_result, result))

    def tell(settle: Callable[[], None]) -> None:
        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else settle())

    start_aside(call)
    return await future


def start_aside(work: Callable[P, object], *args: P.args, **options: P.kwargs) -> None:
    """Call it in a thread of its own, and go on."""
    threading.Thread(target=work, args=args, kwargs=options, name="leases-aside", daemon=True).start()
