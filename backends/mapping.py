"""Many requests at once: recalled by the chunk, asked side by side, yielded as they are done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from backends.answer import Answer
    from backends.request import Request

_CHUNK: Final = 256
# An iterable that takes longer than this for a request is not waited for to fill a chunk.
_SLOW_S: Final = 0.005
_READY: Final = 1024
_CLEAN_UP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A request with its digest and, if it was answered before, that answer.

    Attributes:
        request: The request.
        digest: Names it.
        answer: What was answered; None if it is to be asked.
        at: When that was looked up, by the monotonic clock.
    """

    request: Request
    digest: str
    answer: Answer | None
    at: float


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


async def answers_of(
    requests: Iterable[Request] | AsyncIterable[Request],
    *,
    look_up: Callable[[Sequence[Request]], Awaitable[Sequence[LookedUp]]],
    ask: Callable[[LookedUp], Awaitable[Answer]],
    at_once: int,
    threads: Executor,
) -> AsyncGenerator[tuple[Request, Answer]]:
    """Yield every request with its answer, in the order of completion.

    Args:
        requests: Taken lazily. An iterable must not wait for answers to earlier ones; an asynchronous one may.
        look_up: Does so for a chunk of requests.
        ask: Asks one request.
        at_once: Requests that are with `ask` at once.
        threads: Where an iterable is advanced, so that a slow one does not stop the event loop.

    Raises:
        Exception: The first that `requests`, `look_up` or `ask` raised; what is under way is canceled.
    """
    work = _SideBySide(look_up, ask, at_once)
    work.start(work.ask_all(_chunks(requests, threads)))
    try:
        while (item := await work.done.get()) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        await work.end()


class _SideBySide:
    """The tasks behind one map, and the queue into which they put what they were told."""

    def __init__(
        self,
        look_up: Callable[[Sequence[Request]], Awaitable[Sequence[LookedUp]]],
        ask: Callable[[LookedUp], Awaitable[Answer]],
        at_once: int,
    ) -> None:
        # Bounded: whoever reads slowly is not asked for ahead of.
        self.done: asyncio.Queue[tuple[Request, Answer] | _Failed | None] = asyncio.Queue(_READY)
        self._look_up = look_up
        self._ask = ask
        self._at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask_all(self, chunks: AsyncGenerator[Sequence[Request]]) -> None:
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    await self._ask_chunk(chunk)
            # All room is free again once the last answer is in the queue.
            for _ in range(self._at_once):
                await self._room.acquire()
        except Exception as error:  # noqa: BLE001 - raised where the answers are read
            await self.done.put(_Failed(error))
        else:
            await self.done.put(None)

    async def _ask_chunk(self, chunk: Sequence[Request]) -> None:
        for item in await self._look_up(chunk):
            if item.answer is not None:
                await self.done.put((item.request, item.answer))
            else:
                await self._room.acquire()
                self.start(self._ask_one(item))

    async def end(self) -> None:
        under_way = list(self._tasks)
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=_CLEAN_UP_S)

    async def _ask_one(self, item: LookedUp) -> None:
        try:
            await self.done.put((item.request, await self._ask(item)))
        except Exception as error:  # noqa: BLE001 - raised where the answers are read
            await self.done.put(_Failed(error))
        finally:
            self._room.release()


def _chunks(
    requests: Iterable[Request] | AsyncIterable[Request], threads: Executor
) -> AsyncGenerator[Sequence[Request]]:
    if isinstance(requests, AsyncIterable):
        return _chunks_as_they_come(requests)
    if isinstance(requests, list | tuple):
        return _slices(requests)
    return _chunks_from_thread(iter(requests), threads)


async def _slices(requests: Sequence[Request]) -> AsyncGenerator[Sequence[Request]]:
    for start in range(0, len(requests), _CHUNK):
        yield requests[start : start + _CHUNK]


async def _chunks_from_thread(
    requests: Iterator[Request], threads: Executor
) -> AsyncGenerator[Sequence[Request]]:
    loop = asyncio.get_running_loop()
    more = True
    while more:
        chunk, more = await loop.run_in_executor(threads, _take, requests)
        if chunk:
            yield chunk


def _take(requests: Iterator[Request]) -> tuple[list[Request], bool]:
    chunk: list[Request] = []
    before = time.monotonic()
    for request in requests:
        chunk.append(request)
        now = time.monotonic()
        if len(chunk) >= _CHUNK or now - before > _SLOW_S:
            return chunk, True
        before = now
    return chunk, False


async def _chunks_as_they_come(requests: AsyncIterable[Request]) -> AsyncGenerator[Sequence[Request]]:
    iterator = aiter(requests)
    chunk: list[Request] = []
    # Kept across chunks, so that what has come is handed on while the next is waited for.
    coming = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            await asyncio.wait([coming], timeout=_SLOW_S if chunk else None)
            if not coming.done():
                yield chunk
                chunk = []
                continue
            try:
                chunk.append(coming.result())
            except StopAsyncIteration:
                break
            coming = asyncio.ensure_future(anext(iterator))
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
    finally:
        coming.cancel()
