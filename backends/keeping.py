"""Kept answers as one client uses them: looked up, kept and linked many at a time, and handed on when it closes."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from backends.batching import Batched
from backends.recall import keep, link_photos, look_up, prune

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from concurrent.futures import Future

    from sqlalchemy import Connection

    from backends.recall import KeptAnswer, Link
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.spool import Spool

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)
_LOOK_UPS_TOGETHER: Final = 500
_KEPT_TOGETHER: Final = 500
_REMEMBERED: Final = 10_000
# A commit and a sync cost milliseconds of processor, however many answers they keep. A kill asks those of so short a
# time again.
_KEEP_WITHIN_S: Final = 0.1
# Within the few seconds that a terminated run has for all its clean-up.
_CLOSE_S: Final = 1.5
_SYNC_S: Final = 0.5


class Keeper:
    """Finds and keeps answers in the state database. Belongs to one event loop."""

    def __init__(
        self, settings: Settings, database: StateDatabase, spool: Spool, *, in_flight: Callable[[], int]
    ) -> None:
        """Make one.

        Args:
            settings: How long answers are kept, and how many.
            database: Keeps them.
            spool: Has their events, which are on the disk before their answers are.
            in_flight: How many requests are under way; an answer waits a moment for theirs.
        """
        self._settings = settings
        self._database = database
        self._spool = spool
        # Short waits on the database are not queued behind pictures being made.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="backends-database")
        self._finding = Batched(self._find_together, at_most=_LOOK_UPS_TOGETHER)
        self._keeping = Batched(
            self._keep_together, at_most=_KEPT_TOGETHER, gather_s=_KEEP_WITHIN_S, expected=in_flight
        )
        self._linking = Batched(self._link_together, at_most=_KEPT_TOGETHER)
        self._kept_any = False
        self._lately: dict[str, None] = {}

    def kept_lately(self, digest: str) -> bool:
        """Whether this client has kept an answer to the request, or is about to; of the last some thousands."""
        return digest in self._lately

    def find(self, digest: str) -> Awaitable[KeptAnswer | None]:
        """What is kept for one request, looked up together with what others look for at the same time."""
        return self._finding.add(digest)

    async def find_all(self, digests: Collection[str]) -> dict[str, KeptAnswer]:
        """What is kept of many requests, by digest."""
        return await self._in_thread(lambda: look_up(self._database, set(digests)))

    async def keep(self, answer: KeptAnswer) -> None:
        """Keep an answer whose event is written. Whoever is cancelled while waiting has it kept all the same."""
        self._kept_any = True
        self._lately[answer.request_digest] = None
        while len(self._lately) > _REMEMBERED:
            del self._lately[next(iter(self._lately))]
        await self._keeping.add(answer)

    def link(self, digest: str, photo_ids: frozenset[str]) -> None:
        """Say that a kept answer is about these photos too; it is done some time soon."""
        if photo_ids:
            told = partial(_tell_failure, "A kept answer could not be linked to another photo")
            self._linking.add((digest, photo_ids)).add_done_callback(told)

    async def close(self) -> None:
        """Finish keeping, or hand what is left to the database's own thread. Bounded in time."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._keeping.drain()
                await self._linking.drain()
        except TimeoutError:
            await self._hand_on()
        if self._kept_any:
            days, mib = self._settings.kept_answers_days, self._settings.kept_answers_mib
            self._submit(
                lambda connection: prune(connection, days=days, mib=mib),
                "Kept answers that are too old or too many could not be let go",
            )
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _hand_on(self) -> None:
        # The event loop may end now, and all its tasks with it; the database's thread does not.
        answers, links = self._keeping.leave(), self._linking.leave()
        try:
            async with asyncio.timeout(_SYNC_S):
                synced = await self._in_thread(self._spool.sync)
        except TimeoutError:
            synced = False
        if answers and synced:
            self._submit(lambda connection: keep(connection, answers), "Answers could not be kept")
            _LOG.warning(
                "%d answers were still to be kept when the client closed; the database goes on with them.",
                len(answers),
            )
        elif answers:
            _LOG.error(
                "%d answers may not be kept, since their events did not come to the disk; what is not is asked again.",
                len(answers),
            )
        if links:
            self._submit(
                lambda connection: link_photos(connection, links),
                "Kept answers could not be linked to other photos",
            )

    def _submit(self, work: Callable[[Connection], Any], failed: str) -> None:
        self._database.submit(work).add_done_callback(partial(_tell_failure, failed))

    async def _find_together(self, digests: Sequence[str]) -> list[KeptAnswer | None]:
        kept = await self.find_all(digests)
        return [kept.get(digest) for digest in digests]

    async def _keep_together(self, answers: Sequence[KeptAnswer]) -> list[None]:
        # Where an event is only written, a power cut could take it and leave its answer.
        if await self._in_thread(self._spool.sync):
            await self._database.commit(lambda connection: keep(connection, answers))
        return [None] * len(answers)

    async def _link_together(self, links: Sequence[Link]) -> list[None]:
        await self._database.commit(lambda connection: link_photos(connection, links))
        return [None] * len(links)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _tell_failure(what: str, future: asyncio.Future[Any] | Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _LOG.error("%s: %s", what, error)
