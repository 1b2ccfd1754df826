"""The one way to ask a model: recall, lease, ask, check, record.

::

    async with Client(settings, registry, database, spool, embedded) as client:
        await client.check(model)
        async with aclosing(client.map(requests)) as answers:
            async for request, answer in answers:
                ...
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from backends.answer import Answer
from backends.asking import Asking
from backends.bytes_in_flight import ByteBudget
from backends.checking import check_answer
from backends.errors import AttemptFailed, InvalidRequest, PictureFailed
from backends.keeping import Keeper
from backends.leases.seam import GrantedAtOnce
from backends.mapping import LookedUp, answers_of
from backends.pictures import PictureRoom
from backends.provider_settings import ProviderSettings
from backends.request import request_digest
from backends.routes import routes_of

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Awaitable,
        Callable,
        Iterable,
        Mapping,
        Sequence,
    )
    from types import TracebackType

    from backends.leases.seam import Leasing
    from backends.providers.embedded import EmbeddedFunction
    from backends.providers.protocol import Tell
    from backends.recall import KeptAnswer
    from backends.request import Request
    from backends.routes import Routes
    from backends.transport import Transport
    from registry.registry import Registry
    from registry.schema import Model
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.spool import Spool

_LOG: Final = logging.getLogger(__name__)
_BEING_KEPT: Final = 64
# A run that is terminated has 6 s for all its clean-up, and requests in flight end before this. Keeping bounds itself
# to half of it.
_CLOSE_S: Final = 4.0
# What was looked up a moment ago need not be looked up again: a fast server would wait for the database.
_STANDS_S: Final = 1.0
_EVER: Final = datetime.min.replace(tzinfo=UTC)


class Client:
    """Asks models. Built per step, inside the event loop that uses it; an async context manager.

    A request is recalled if it was answered before, and asked otherwise; the same request asked twice at the
    same time is asked once. What is asked has exactly one event, and a good answer is kept after its event is
    written, never before.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        database: StateDatabase,
        spool: Spool,
        embedded: Mapping[str, EmbeddedFunction],
        *,
        leasing: Leasing | None = None,
        providers: Mapping[str, ProviderSettings] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Make one; nothing is connected to before something is asked.

        Args:
            settings: Timeouts, retries, concurrency, bytes in flight, consent.
            registry: Its version is put into events whose request does not name one.
            database: Keeps the answers.
            spool: Takes the events.
            embedded: Functions that answer for models of provider ``embedded``, by model name.
            leasing: Grants the right to use a deployment; at once if None.
            providers: How servers are reached, by provider, where it is not as registry and settings say.
            environ: For deployments' base URLs and API keys; the registry's if None.
        """
        makers = max(2, os.cpu_count() or 1)
        self._settings = settings
        self._registry = registry
        self._in_flight: dict[str, asyncio.Future[Answer]] = {}
        self._keeper = Keeper(settings, database, spool, in_flight=lambda: len(self._in_flight))
        self._spool = spool
        self._embedded = embedded
        self._leasing: Leasing = leasing if leasing is not None else GrantedAtOnce()
        self._environ = registry.environ if environ is None else environ
        self._makers = makers
        self._threads = ThreadPoolExecutor(max_workers=makers, thread_name_prefix="backends")
        self._feeding_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="backends-feeding")
        self._providers = providers or {}
        self._transports: dict[str, Transport] = {}
        self._routes: dict[Model, Routes] = {}
        self._pictures = PictureRoom(ByteBudget(settings.bytes_in_flight), self._threads, makers=makers)
        self._slots = asyncio.Semaphore(settings.concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish keeping what was answered, give back leases, and let go of connections and threads.

        Bounded in time, all together; whatever becomes of one of them, the others are let go of all the same.
        """
        until = asyncio.get_running_loop().time() + _CLOSE_S
        async with AsyncExitStack() as last_first:
            for threads in (self._threads, self._feeding_threads):
                last_first.callback(threads.shutdown, wait=False, cancel_futures=True)
            for what, let_go in (
                ("connections", self._disconnect),
                ("leases", self._leasing.close),
                ("kept answers", self._keeper.close),
            ):
                last_first.push_async_callback(_by, until, what, let_go)

    async def _disconnect(self) -> None:
        await asyncio.gather(*(transport.close() for transport in self._transports.values()))

    async def check(self, model: Model) -> None:
        """Return if the model can be asked now.

        Raises:
            ModelUnreachable: No deployment answers, or none serves the model; the message names the URL and what to do.
            ModelMisconfigured: The registry or the settings do not allow it.
        """
        routes = self._routes_of(model)
        if not await self._leasing.loads(model, routes.to_lease()):
            await routes.check()

    async def complete(self, request: Request, *, fresh: bool = False) -> Answer:
        """Recall or ask one request.

        Args:
            request: The request.
            fresh: Ask even if it was answered before.

        Returns:
            The answer; an entry's failure is an answer with an ``error_class``.

        Raises:
            BackendDown: The backend stayed away for too long.
            ModelMisconfigured: The model cannot be asked as things are set.
            InvalidRequest: The request cannot be asked at all.
        """
        since = datetime.now(UTC) if fresh else _EVER
        return await self._once(request, request_digest(request), self._slots, since)

    async def score(self, request: Request, *, fresh: bool = False) -> Answer:
        """Recall or ask one score; as `complete`, for a request of `backends.scoring.score_request`.

        Raises:
            InvalidRequest: It asks for no metrics, or cannot be asked at all.
            BackendDown, ModelMisconfigured: As `complete`.
        """
        if not request.metrics:
            raise InvalidRequest(
                f"A request of stage {request.labels.stage} to be scored names no metrics; make it with score_request."
            )
        return await self.complete(request, fresh=fresh)

    async def converse(self, request: Request, *, tell: Tell | None = None) -> Answer:
        """Ask a conversation, whatever was answered before; nothing of it is kept but its event.

        Args:
            request: One with a conversation. To recall and keep its answer, `complete` it.
            tell: Takes the parts of the answer as they come; None where the whole is wanted at its end.

        Raises:
            BackendDown, ModelMisconfigured, InvalidRequest: As `complete`.
        """
        return await self._ask(request, request_digest(request), self._slots, kept=False, tell=tell)

    def map(
        self,
        requests: Iterable[Request] | AsyncIterable[Request],
        *,
        concurrency: int | None = None,
        fresh: bool = False,
    ) -> AsyncGenerator[tuple[Request, Answer]]:
        """Recall or ask many requests, and yield them with their answers in the order of completion.

        Requests are taken lazily, an iterable's in a thread; those answered before are recalled many at a time.
        Close the iterator (``contextlib.aclosing``) to cancel what is under way; its clean-up is bounded in time.

        Args:
            requests: The requests.
            concurrency: Requests in flight at once; the setting's if None.
            fresh: Ask even what was answered before this call.

        Raises:
            BackendDown: The backend stayed away for too long; what was answered is kept.
            ModelMisconfigured: A model cannot be asked as things are set.
            InvalidRequest: A request cannot be asked at all.
        """
        slots = self._slots if concurrency is None else asyncio.Semaphore(concurrency)
        limit = self._settings.concurrency if concurrency is None else concurrency
        since = datetime.now(UTC) if fresh else _EVER

        async def look_up_chunk(chunk: Sequence[Request]) -> list[LookedUp]:
            return await self._look_up_chunk(chunk, fresh=fresh)

        async def ask(item: LookedUp) -> Answer:
            return await self._once(item.request, item.digest, slots, since, looked_up=item.at)

        return answers_of(
            requests,
            look_up=look_up_chunk,
            ask=ask,
            # Beyond those in flight, a few have their pictures made already, and some wait for the disk to keep
            # what they were told: a backend need not.
            at_once=limit + self._makers + _BEING_KEPT,
            threads=self._feeding_threads,
        )

    async def _look_up_chunk(self, chunk: Sequence[Request], *, fresh: bool) -> list[LookedUp]:
        digests = [request_digest(request) for request in chunk]
        at = time.monotonic()
        kept = {} if fresh else await self._keeper.find_all(digests)
        return [
            LookedUp(request, digest, self._recalled(request, kept[digest]) if digest in kept else None, at)
            for request, digest in zip(chunk, digests, strict=True)
        ]

    def _recalled(self, request: Request, kept: KeptAnswer) -> Answer | None:
        """The kept answer, checked anew; None if it misses what is asked of it today."""
        try:
            data = check_answer(kept.text, request.schema)
        except AttemptFailed:
            return None
        self._keeper.link(kept.request_digest, frozenset(request.labels.photo_ids) - kept.photo_ids)
        return Answer(
            request_id=kept.answered_by,
            request_digest=kept.request_digest,
            model=kept.model,
            model_revision=kept.model_revision,
            deployment=kept.deployment,
            text=kept.text,
            message=kept.message,
            finish_reason=kept.finish_reason,
            data=data,
            recalled=True,
            input_tokens=kept.input_tokens,
            output_tokens=kept.output_tokens,
            repaired=kept.repaired,
        )

    async def _once(
        self,
        request: Request,
        digest: str,
        slots: asyncio.Semaphore,
        since: datetime,
        *,
        looked_up: float | None = None,
    ) -> Answer:
        """Wait for the same request where it is on its way already; recall it, or ask, otherwise.

        Args:
            request: The request.
            digest: Names it.
            slots: Bound the requests in flight.
            since: When an answer has to have been kept for it to be recalled.
            looked_up: When nothing was found kept of it, by the monotonic clock; None if nobody has looked.
        """
        while (leader := self._in_flight.get(digest)) is not None:
            await asyncio.wait([leader])
            if leader.cancelled() or leader.exception() is not None:
                continue
            answer = leader.result()
            if not answer.ok:
                return answer
            self._keeper.link(digest, frozenset(request.labels.photo_ids))
            return replace(answer, recalled=True, lease_wait_ms=0.0, total_ms=0.0)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._in_flight[digest] = future
        try:
            # One like it may have been answered since this one's chunk was looked up.
            stands = (
                looked_up is not None
                and time.monotonic() - looked_up < _STANDS_S
                and not self._keeper.kept_lately(digest)
            )
            kept = None if stands else await self._keeper.find(digest)
            recalled = None if kept is None or kept.kept_at < since else self._recalled(request, kept)
            answer = recalled or await self._ask(request, digest, slots)
        except BaseException:
            # Those who wait for it ask for themselves; what went wrong is raised here.
            future.cancel()
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            del self._in_flight[digest]

    async def _ask(
        self,
        request: Request,
        digest: str,
        slots: asyncio.Semaphore,
        *,
        kept: bool = True,
        tell: Tell | None = None,
    ) -> Answer:
        routes = self._routes_of(request.model)
        asking = Asking(request, digest, registry_version=self._registry.version)
        try:
            answer = await self._answer(asking, request, routes, slots, tell)
        except BaseException as error:
            if asking.begun and not asking.recorded:
                self._spool.append(asking.ended_event(error))
            raise
        # No await from here to the queued answer: a cancellation comes before the event or after both.
        recorded = asking.recorded or self._spool.append(asking.answered_event(answer, kept=kept))
        if kept and answer.ok and recorded:
            await self._keeper.keep(asking.kept_answer(answer))
        return answer

    async def _answer(
        self,
        asking: Asking,
        request: Request,
        routes: Routes,
        slots: asyncio.Semaphore,
        tell: Tell | None,
    ) -> Answer:
        try:
            async with self._pictures.ready(request, wanted=routes.looks_at_pictures) as pictures, slots:
                return await asking.ask(
                    routes, self._leasing, pictures, attempts=self._settings.attempts, tell=tell
                )
        except PictureFailed as failure:
            return asking.failed(failure)

    def _routes_of(self, model: Model) -> Routes:
        routes = self._routes.get(model)
        if routes is None:
            routes = self._routes[model] = routes_of(
                model,
                settings=self._settings,
                transport=self._connected,
                embedded=self._embedded,
                threads=self._threads,
                environ=self._environ,
                providers=self._providers,
            )
        return routes

    def _connected(self, provider: str) -> Transport:
        transport = self._transports.get(provider)
        if transport is None:
            # Imported here: a run of embedded models needs neither aiohttp nor the certificates of the world.
            from backends.transport import Transport  # noqa: PLC0415 - see above

            reached = self._providers.get(provider, ProviderSettings())
            transport = self._transports[provider] = Transport(reached.timeouts(self._settings, provider))
        return transport


async def _by(until: float, what: str, let_go: Callable[[], Awaitable[None]]) -> None:
    try:
        async with asyncio.timeout_at(until):
            await let_go()
    except TimeoutError:
        _LOG.warning("The client closed before its %s were let go of; they end with the process.", what)
