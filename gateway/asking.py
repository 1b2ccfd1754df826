"""Ask a model for a request: let in by turns, and within its deadline."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError, InvalidRequest, ModelMisconfigured, ModelUnreachable
from backends.providers.gateway import ANSWERED_BY, CLASS, ERROR_CLASS
from gateway.errors import (
    BackendFailed,
    BadRequest,
    DeadlineExceeded,
    GatewayError,
    NotFound,
    Overloaded,
    Unavailable,
)
from registry.errors import MissingCapability, UnknownModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from backends.answer import Answer
    from gateway.admission import Class
    from gateway.callers import Caller
    from gateway.parts import Parts
    from registry.registry import Registry
    from registry.schema import Model

CLASS_HEADER: Final = CLASS.lower()
"""``batch`` for a request that may wait; ``interactive`` for one that somebody waits for."""

DEADLINE_HEADER: Final = "x-imageworks-deadline"
"""Seconds after which nobody wants the answer any longer."""

RECALL_HEADER: Final = "x-imageworks-recall"
"""``on`` where an answer that was given before will do, and this one may be kept for others."""

_WAITED: Final = frozenset({"first_byte_timeout", "stalled", "request_timeout", "connect_timeout"})
_AWAY: Final = frozenset({"connect_failed", "reset"})


def class_of(request: Request) -> Class:
    """The class that a request says it is of.

    Raises:
        BadRequest: There is none of that name.
    """
    match request.headers.get(CLASS_HEADER, "interactive").strip().lower():
        case "interactive":
            return "interactive"
        case "batch":
            return "batch"
        case other:
            raise BadRequest(
                f"{CLASS_HEADER} is {other[:40]!r}; it is interactive or batch.", param=CLASS_HEADER
            )


def deadline_of(request: Request, most_s: float) -> float:
    """Seconds that a request may take.

    Raises:
        BadRequest: It says something that is no time.
    """
    given = request.headers.get(DEADLINE_HEADER)
    if given is None:
        return most_s
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise BadRequest(
            f"{DEADLINE_HEADER} is {given[:40]!r}; it is a number of seconds.", param=DEADLINE_HEADER
        )
    return min(seconds, most_s)


def wants_recall(request: Request) -> bool:
    """Whether an answer that was given before will do.

    Raises:
        BadRequest: The header says neither.
    """
    match request.headers.get(RECALL_HEADER, "off").strip().lower():
        case "off":
            return False
        case "on":
            return True
        case other:
            raise BadRequest(f"{RECALL_HEADER} is {other[:40]!r}; it is on or off.", param=RECALL_HEADER)


@asynccontextmanager
async def let_in(request: Request, parts: Parts, caller: Caller) -> AsyncIterator[None]:
    """A request's turn and its time, for the length of the block.

    Raises:
        Overloaded, Unavailable, DeadlineExceeded: It has none.
    """
    seconds = deadline_of(request, parts.settings.gateway_deadline_s)
    try:
        async with asyncio.timeout(seconds), parts.admission.admitted(caller.name, class_of(request)):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded(f"No answer within the {seconds:g} s that the request may take.") from error


def resolved(registry: Registry, name: str, *, needs: frozenset[str]) -> Model:
    """The logical model of a name, an alias or a role, which can what is asked of it.

    Raises:
        NotFound: There is none.
        BadRequest: It cannot.
    """
    try:
        return registry.resolve(name, needs=needs)
    except UnknownModel as error:
        raise NotFound(str(error), param="model", code="model_not_found") from error
    except MissingCapability as error:
        raise BadRequest(str(error), param="model", code="missing_capability") from error


def as_gateway_error(error: BackendError) -> GatewayError:
    """What a request is told where it could not be asked."""
    match error:
        case InvalidRequest():
            return BadRequest(str(error))
        case ModelMisconfigured():
            return Unavailable(str(error), code="model_misconfigured")
        case ModelUnreachable():
            return Unavailable(str(error), code="model_unreachable", retry_after_s=10)
        case _:
            return BackendFailed(str(error))


def raise_failed(answer: Answer) -> None:
    """Return if the answer is good.

    Raises:
        GatewayError: What it is told where it is not, and which event it has.
    """
    if not answer.ok:
        raise failure_of(answer)


def failure_of(answer: Answer) -> GatewayError:
    """What a request is told whose answer is not good, with the event that it has."""
    error = _failure(answer)
    error.headers = {ANSWERED_BY: answer.request_id, ERROR_CLASS: answer.error_class or "failed"}
    return error


def _failure(answer: Answer) -> GatewayError:
    error_class, words = answer.error_class or "failed", answer.error_message or "no words"
    if error_class == "http_429":
        return Overloaded(words, code=error_class, retry_after_s=5)
    if error_class == "http_4xx":
        return BadRequest(words, code="refused_by_backend")
    if error_class in _WAITED:
        return DeadlineExceeded(words, code=error_class)
    if error_class in _AWAY:
        return Unavailable(words, code=error_class, retry_after_s=5)
    return BackendFailed(words, code=error_class)
