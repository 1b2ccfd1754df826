"""Whether somebody still listens: work that is done for a request ends when whoever asked has left."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from starlette.requests import Request

_Result = TypeVar("_Result")

EXTENSION: Final = "imageworks.leaving"
"""Where a server that calls back when a client leaves puts the connection's ``Leaving`` in ``scope["extensions"]``."""


class Gone(Exception):
    """Whoever asked has left."""


class Leaving:
    """One connection's end, as those who work for it are told.

    ASGI tells it only to a task that waits for nothing else, which for a model that answers at once is a sixteenth
    of all that the gateway adds.

    Attributes:
        has_left: Whether it has ended.
    """

    def __init__(self) -> None:
        self.has_left = False
        self._told: list[Callable[[], object]] = []

    def leave(self) -> None:
        """Tell that the client has left."""
        self.has_left = True
        for told in self._told:
            told()

    @contextmanager
    def telling(self, told: Callable[[], object]) -> Iterator[None]:
        """Call this if the client leaves during the block."""
        self._told.append(told)
        try:
            yield
        finally:
            self._told.remove(told)


async def while_heard(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """What the work comes to, unless whoever asked leaves before: then it is canceled. The body was read before.

    Raises:
        Gone: They left.
    """
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 - only a task runs a coroutine
    has_left = False

    def stop_working() -> None:
        nonlocal has_left
        has_left = True
        working.cancel()

    leaving: Leaving | None = request.scope.get("extensions", {}).get(EXTENSION)
    if leaving is not None and leaving.has_left:
        work.close()
        raise Gone
    telling = _listening(request, stop_working) if leaving is None else leaving.telling(stop_working)
    try:
        with telling:
            return await work
    except asyncio.CancelledError:
        if has_left and not working.uncancel():
            raise Gone from None
        raise


@contextmanager
def _listening(request: Request, told: Callable[[], object]) -> Iterator[None]:
    """The same with any server of ASGI, by a task that waits for its word."""
    is_over = False

    def tell(_: asyncio.Task[None]) -> None:
        # It may have been on its way when the work ended.
        if not is_over:
            told()

    listening = asyncio.ensure_future(_left(request))
    listening.add_done_callback(tell)
    try:
        yield
    finally:
        is_over = True
        listening.remove_done_callback(tell)
        listening.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
