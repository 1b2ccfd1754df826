"""Ask one request: lease, map, ask, check, with retries and one repair try, and account for every attempt."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import stamina

from backends.answer import Answer
from backends.checking import check_answer, refuse_unfinished
from backends.errors import AttemptFailed, SchemaMismatch
from backends.providers.protocol import Observed, Question, Repair
from backends.recall import KeptAnswer
from backends.request import model_revision
from telemetry.events import Attempt, Event, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from backends.leases.seam import Lease, Leasing
    from backends.providers.protocol import Backend, RawAnswer, Tell
    from backends.request import Request
    from backends.routes import Route, Routes
    from registry.schema import Deployment

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 20.0
_JITTER_S: Final = 0.5


class Asking:
    """One asking of one request, from entering the client to its answer and its event.

    Attributes:
        request_id: Id of this asking.
        begun: Whether it came as far as the lease: from there on it has an event, however it ends.
    """

    def __init__(self, request: Request, digest: str, *, registry_version: str | None = None) -> None:
        self.request_id = os.urandom(16).hex()
        self.begun = False
        self._request = request
        self._digest = digest
        self._registry_version = request.labels.registry_version or registry_version
        self._enqueued_at = utc_now()
        self._started = time.perf_counter()
        self._attempts: list[Attempt] = []
        self._observed = Observed()
        self._bytes_out = 0
        self._bytes_in = 0
        self._deployment: Deployment | None = None
        self._failed_at: Deployment | None = None
        self._lease_wait_ms: float | None = None
        self._load_ms: float | None = None
        self._data: Any = None
        self._repaired = False
        self._schema_valid: bool | None = None
        self._total_ms = 0.0

    @property
    def answered_by(self) -> str:
        """Id of the event: this asking's, or that of the gateway that asked."""
        return self._observed.answered_by or self.request_id

    @property
    def recorded(self) -> bool:
        """Whether its event is made elsewhere: a gateway records what it asks."""
        return self._observed.recorded

    async def ask(
        self,
        routes: Routes,
        leasing: Leasing,
        pictures: tuple[bytes, ...],
        *,
        attempts: int,
        tell: Tell | None = None,
    ) -> Answer:
        """Ask until there is an answer, or no try is left.

        Args:
            routes: The model's deployments.
            leasing: Grants the right to use one.
            pictures: The request's images as base64.
            attempts: Tries at most, the repair try not counted.
            tell: Takes the parts of the answer as they come; once it has, there is no further try.

        Returns:
            The answer; a failure is one with an ``error_class``.

        Raises:
            BackendDown: The deployment stayed away for too long.
            InvalidRequest: The request cannot be asked at all.
        """
        self.begun = True
        question = Question(request=self._request, request_id=self.request_id, pictures=pictures, tell=tell)
        try:
            try:
                raw = await self._retried(question, routes, leasing, attempts)
            except _Repairable as mismatch:
                repair = Repair(mismatch.raw.text, str(mismatch.failure))
                question = Question(
                    request=self._request, request_id=self.request_id, pictures=pictures, repair=repair
                )
                left = max(1, attempts - len(self._attempts))
                self._repaired = True
                raw = await self._retried(question, routes, leasing, left)
        except AttemptFailed as failure:
            return self.failed(failure)
        return self._answer(raw)

    def failed(self, failure: AttemptFailed) -> Answer:
        """The answer of a request that failed for good."""
        answer = self._answer(self._observed.raw)
        return replace(answer, data=None, error_class=failure.error_class, error_message=str(failure))

    def answered_event(self, answer: Answer, *, kept: bool = True) -> Event:
        """The event of an asking that came to an answer, good or not; ``kept`` if a good one is to be."""
        status: Literal["ok", "error"] = "ok" if answer.ok else "error"
        return self._event(status, answer.error_class, answer.error_message, kept=kept and answer.ok)

    def ended_event(self, error: BaseException) -> Event:
        """The event of an asking that was canceled, or ended by an error that is not the entry's."""
        self._stop_clock()
        if isinstance(error, Exception):
            error_class = getattr(error, "error_class", None) or _snake(type(error).__name__)
            return self._event("error", error_class, str(error), kept=False)
        return self._event(
            "canceled", "canceled", "The request was canceled while it was under way.", kept=False
        )

    def kept_answer(self, answer: Answer) -> KeptAnswer:
        """What is kept of a good answer, for recall."""
        raw, deployment = self._observed.raw, self._deployment
        if raw is None or deployment is None:
            raise ValueError("only a good answer is kept")
        return KeptAnswer(
            request_digest=self._digest,
            answered_by=self.answered_by,
            model=answer.model,
            model_revision=answer.model_revision,
            deployment=deployment.name,
            provider=deployment.provider,
            text=raw.text,
            message=raw.message,
            served_model=raw.served_model,
            finish_reason=raw.finish_reason,
            input_tokens=raw.input_tokens,
            output_tokens=raw.output_tokens,
            repaired=answer.repaired,
            photo_ids=frozenset(self._request.labels.photo_ids),
        )

    async def _retried(
        self, question: Question, routes: Routes, leasing: Leasing, attempts: int
    ) -> RawAnswer:
        # Nearly always the only try; what counts tries and waits between them costs as much as the rest of it.
        try:
            return await self._leased(question, routes, leasing)
        except AttemptFailed as error:
            first: AttemptFailed | None = error
        async for attempt in stamina.retry_context(
            on=_again,
            attempts=attempts,
            timeout=None,
            wait_initial=_FIRST_WAIT_S,
            wait_max=_LONGEST_WAIT_S,
            wait_jitter=_JITTER_S,
        ):
            with attempt:
                if first is not None:
                    failure, first = first, None
                    raise failure
                return await self._leased(question, routes, leasing)
        raise AssertionError("the last attempt returns or raises")

    async def _leased(self, question: Question, routes: Routes, leasing: Leasing) -> RawAnswer:
        while True:
            # A lease a try: nothing is held while a failed try waits for the next, and that may go elsewhere.
            async with leasing.lease(
                routes.model,
                routes.to_lease(failed=self._failed_at),
                priority=self._request.labels.priority,
            ) as lease:
                raw = await self._under(lease, question, routes)
            if raw is not None:
                return raw

    async def _under(self, lease: Lease, question: Question, routes: Routes) -> RawAnswer | None:
        """One try under a lease; None if it is to be made under another."""
        route, hold = routes.route(lease.deployment), lease.hold
        self._take(lease)
        admitted = await route.breaker.admit(lambda: hold.is_over or routes.have_better(route))
        if hold.reloading:
            # How the server did before it loads the model anew says nothing of how it will.
            route.breaker.abandon()
            route.breaker.forgive()
            return None
        if not admitted:
            return None
        asked = question if lease.token is None else replace(question, lease_token=lease.token)
        return await self._attempt(asked, route)

    def _take(self, lease: Lease) -> None:
        self._deployment = lease.deployment
        self._lease_wait_ms = (self._lease_wait_ms or 0.0) + lease.wait_ms
        if lease.load_ms is not None:
            self._load_ms = (self._load_ms or 0.0) + lease.load_ms

    async def _attempt(self, question: Question, route: Route) -> RawAnswer:
        observed = self._observed = Observed()
        started = time.perf_counter()
        try:
            raw = await route.backend.ask(question, observed)
            self._check(raw, route.backend, question)
        except AttemptFailed as failure:
            failure.answer_begun = observed.streamed
            self._note(observed, started, "error", failure)
            route.breaker.report(failure)
            if failure.counts_against_backend:
                self._failed_at = route.deployment
            raise
        except _Repairable as mismatch:
            self._note(observed, started, "error", mismatch.failure)
            route.breaker.report(None)
            raise
        except BaseException:
            self._note(observed, started, "canceled", None)
            route.breaker.abandon()
            raise
        self._note(observed, started, "ok", None)
        route.breaker.report(None)
        return raw

    def _check(self, raw: RawAnswer, backend: Backend, question: Question) -> None:
        if self._request.conversation is None:
            refuse_unfinished(raw)
        schema = self._request.schema
        # Whoever converses is told why the model stopped, and may go on from there.
        if schema is None or (self._request.conversation is not None and raw.finish_reason != "stop"):
            return
        self._schema_valid = False
        try:
            self._data = check_answer(raw.text, schema)
        except AttemptFailed as failure:
            if question.tell is not None:
                # It was said already.
                return
            if isinstance(failure, SchemaMismatch) and backend.repairs and question.repair is None:
                raise _Repairable(failure, raw) from failure
            raise
        self._schema_valid = True

    def _note(
        self,
        observed: Observed,
        started: float,
        status: Literal["ok", "error", "canceled"],
        failure: AttemptFailed | None,
    ) -> None:
        raw = observed.raw
        self._bytes_out += observed.bytes_out
        self._bytes_in += observed.bytes_in
        self._attempts.append(
            Attempt(
                number=len(self._attempts) + 1,
                started_ms=_ms(started - self._started),
                duration_ms=_ms(time.perf_counter() - started),
                status=status,
                http_status=observed.http_status or (failure.http_status if failure else None),
                error_class=failure.error_class if failure else None,
                input_tokens=raw.input_tokens if raw else None,
                output_tokens=raw.output_tokens if raw else None,
            )
        )

    def _stop_clock(self) -> None:
        self._total_ms = _ms(time.perf_counter() - self._started)

    def _answer(self, raw: RawAnswer | None) -> Answer:
        self._stop_clock()
        return Answer(
            request_id=self.answered_by,
            request_digest=self._digest,
            model=self._request.model.name,
            model_revision=model_revision(self._request.model),
            deployment=self._deployment.name if self._deployment else None,
            text=raw.text if raw else "",
            message=raw.message if raw else None,
            finish_reason=raw.finish_reason if raw else None,
            dropped_parameters=self._observed.dropped_parameters,
            data=self._data,
            input_tokens=_together(attempt.input_tokens for attempt in self._attempts),
            output_tokens=_together(attempt.output_tokens for attempt in self._attempts),
            lease_wait_ms=self._lease_wait_ms or 0.0,
            total_ms=self._total_ms,
            repaired=self._repaired,
        )

    def _event(
        self,
        status: Literal["ok", "error", "canceled"],
        error_class: str | None,
        error_message: str | None,
        *,
        kept: bool,
    ) -> Event:
        labels, observed = self._request.labels, self._observed
        raw = observed.raw
        deployment = self._deployment
        score = self._data.get("score") if isinstance(self._data, dict) else None
        return Event(
            event_id=self.request_id,
            request_digest=self._digest,
            stage=labels.stage,
            model=self._request.model.name,
            enqueued_at=self._enqueued_at,
            total_ms=self._total_ms,
            status=status,
            trace_id=labels.trace_id,
            run_id=labels.run_id,
            batch=labels.batch,
            entry_id=labels.entry_id,
            photo_ids=labels.photo_ids,
            profile_id=labels.profile_id,
            profile_stage=labels.profile_stage,
            profile_hash=labels.profile_hash,
            stage_hash=labels.stage_hash,
            prompt_hub_version=labels.prompt_hub_version,
            registry_version=self._registry_version,
            model_revision=model_revision(self._request.model),
            served_model=raw.served_model if raw else None,
            deployment=deployment.name if deployment else None,
            provider=deployment.provider if deployment else None,
            sample=self._request.sample,
            priority=labels.priority,
            lease_wait_ms=self._lease_wait_ms,
            load_ms=self._load_ms,
            ttft_ms=raw.ttft_ms if raw else None,
            ttft_origin=raw.ttft_origin if raw else None,
            queue_ms=raw.queue_ms if raw else None,
            backend_ms=self._attempts[-1].duration_ms if self._attempts else None,
            attempts=tuple(self._attempts),
            attempt_count=len(self._attempts),
            input_tokens=raw.input_tokens if raw else None,
            image_tokens=raw.image_tokens if raw else None,
            output_tokens=raw.output_tokens if raw else None,
            bytes_out=self._bytes_out,
            bytes_in=self._bytes_in,
            dropped_parameters=observed.dropped_parameters,
            finish_reason=raw.finish_reason if raw else None,
            error_class=error_class,
            error_message=error_message,
            schema_valid=self._schema_valid,
            repaired=self._repaired,
            score=float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None,
            answer_kept=kept,
        )


class _Repairable(Exception):
    """An answer that misses its schema and may be repaired by showing so."""

    def __init__(self, failure: SchemaMismatch, raw: RawAnswer) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.raw = raw


def _again(error: BaseException) -> bool | float:
    """Whether to try again, or after how many seconds if the backend said so."""
    if not isinstance(error, AttemptFailed) or error.answer_begun or not error.may_be_retried:
        return False
    return True if error.retry_after_s is None else error.retry_after_s


def _together(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
