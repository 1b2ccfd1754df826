"""Make a request's pictures ready to be sent: in threads, a few at a time, within the bytes in flight."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from backends.errors import PictureFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from concurrent.futures import Executor

    from backends.bytes_in_flight import ByteBudget
    from backends.request import Image, Request

_ENVELOPE: Final = 1024
"""Bytes that stand for a body's JSON beside texts and pictures."""


class PictureRoom:
    """Loads and encodes pictures. Belongs to one event loop.

    At most `makers` requests have pictures made that are not yet within the budget, so that what is in memory
    is bounded by the budget and those few.
    """

    def __init__(self, budget: ByteBudget, threads: Executor, *, makers: int) -> None:
        self._budget = budget
        self._threads = threads
        self._making = asyncio.Semaphore(makers)

    @asynccontextmanager
    async def ready(self, request: Request, *, wanted: bool) -> AsyncIterator[tuple[bytes, ...]]:
        """The request's pictures as base64, in order, counted as in flight for the length of the block.

        Args:
            request: Whose images are loaded.
            wanted: False where nobody will look at them: then none are made.

        Raises:
            PictureFailed: One could not be made.
        """
        said = (
            len(request.conversation.encoded)
            if request.conversation
            else len(request.system) + len(request.user)
        )
        size = said + _ENVELOPE
        if not wanted or not request.images:
            reservation = await self._budget.take(size)
            with reservation:
                yield ()
            return
        async with self._making:
            loop = asyncio.get_running_loop()
            pictures = await loop.run_in_executor(self._threads, _encoded, request.images)
            reservation = await self._budget.take(size + sum(map(len, pictures)))
        with reservation:
            yield pictures


def _encoded(images: tuple[Image, ...]) -> tuple[bytes, ...]:
    encoded: list[bytes] = []
    for image in images:
        try:
            encoded.append(base64.b64encode(image.load()))
        except Exception as error:
            error_class = getattr(error, "error_class", None)
            raise PictureFailed(
                f"A picture could not be made: {error}",
                error_class=error_class if isinstance(error_class, str) else "picture_failed",
            ) from error
    return tuple(encoded)
