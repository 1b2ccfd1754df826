"""What every provider speaks: a question in, a raw answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.request import Request


@dataclass(frozen=True, slots=True)
class Repair:
    """What the repair try shows the model.

    Attributes:
        text: The answer that missed its schema.
        problem: Where and how it missed it.
    """

    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of an answer to a conversation, as soon as it is there.

    Attributes:
        delta: What is added to the message, in the OpenAI protocol's shape.
        finish_reason: Why the model stopped, in the last one.
    """

    delta: Mapping[str, Any]
    finish_reason: str | None = None


Tell = Callable[[Chunk], Awaitable[None]]
"""Takes a part of an answer. The server is read no faster than this returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One attempt's question.

    Attributes:
        request: The request that is asked.
        request_id: Id of this asking, passed on so that logs of both sides can be joined.
        pictures: The request's images as base64, in order; empty for a provider that looks at none.
        repair: Set for the repair try.
        lease_token: Of the lease that it is asked under, for a server that refuses stale ones.
        tell: Takes the parts of the answer as they come; None where the whole is wanted at its end.
    """

    request: Request
    request_id: str
    pictures: tuple[bytes, ...] = ()
    repair: Repair | None = None
    lease_token: int | None = None
    tell: Tell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What the backend said, unchecked.

    Attributes:
        text: What the model wrote; empty if it wrote nothing.
        message: The whole message that answers a conversation, in the OpenAI protocol's shape.
        finish_reason: Why it stopped, in the backend's word.
        refusal: Why it declined, in its own words, if it did.
        served_model: Model id that the backend says it served.
        input_tokens: As the backend counted them.
        image_tokens: Those of ``input_tokens`` that pictures cost.
        output_tokens: As the backend counted them.
        ttft_ms: Time to the first token, in milliseconds.
        ttft_origin: Where ``ttft_ms`` starts.
        queue_ms: Wait in the backend's queue, in milliseconds.
    """

    text: str
    message: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    refusal: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    image_tokens: int | None = None
    output_tokens: int | None = None
    ttft_ms: float | None = None
    ttft_origin: str | None = None
    queue_ms: float | None = None


@dataclass(slots=True, kw_only=True)
class Observed:
    """What was seen of an attempt so far; filled in as it goes, so that a failed one reports it too.

    Attributes:
        http_status: Status of the response, None if none came.
        bytes_out: Bytes of the body that was sent.
        bytes_in: Bytes of the body that came.
        dropped_parameters: What was not sent as it was asked for.
        streamed: Whether a part of the answer was handed on, so that another try would say it twice.
        raw: What the backend said.
        headers: Those of the response.
        recorded: Whether who was asked makes the event of this asking, so that we are to make none.
        answered_by: Id of that event.
    """

    http_status: int | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    dropped_parameters: tuple[str, ...] = ()
    streamed: bool = False
    raw: RawAnswer | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = False
    answered_by: str | None = None


class Backend(Protocol):
    """One deployment of one model, reached by its provider's protocol."""

    looks_at_pictures: bool
    """Whether pictures have to be made for it."""

    repairs: bool
    """Whether showing it its mistake can help."""

    async def check(self) -> None:
        """Return if the deployment serves the model now.

        Raises:
            ModelUnreachable: It does not; the message names the URL and what to do.
            ModelMisconfigured: It cannot be asked at all.
        """

    async def probe(self) -> None:
        """Return if the deployment seems to be alive.

        Raises:
            AttemptFailed: It does not.
        """

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """Ask once.

        Args:
            question: What to ask.
            observed: Filled in on the way.

        Raises:
            AttemptFailed: One of its kinds.
        """
