"""The answer: what asking, or recalling, a request came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request came to; a failure is an answer with an ``error_class``, not an exception.

    Attributes:
        request_id: Id of the request that was answered (``answered_by`` in tables, ``event_id`` in events);
            for a recalled answer the one that was asked then.
        request_digest: SHA-256 that names the request by its content.
        text: The raw text of the answer; empty for a failure that brought none.
        message: The whole message that answers a conversation, in the OpenAI protocol's shape; None for other requests.
        finish_reason: Why the model stopped, in the backend's word.
        dropped_parameters: What was not sent as it was asked for, in words that begin with the canonical name.
        data: The parsed answer, fitting its schema; None for a failure and where no schema was given.
        recalled: Whether it was known already, so that nothing was asked and no event was made.
        model: Logical model.
        model_revision: Digest of what in the model influences an answer.
        deployment: Deployment that answered; None if none was reached.
        error_class: Kind of the failure; None for a good answer.
        error_message: The failure in words; None for a good answer.
        input_tokens: Of all attempts together, as far as the backend counted them; for a recalled answer those of
            the attempt that brought it.
        output_tokens: The same.
        lease_wait_ms: Wait for the right to use the model, in milliseconds; 0 for a recalled answer.
        total_ms: From entering the client to the answer or failure, in milliseconds; 0 for a recalled answer.
        repaired: Whether the repair try was needed, and so was made; the answer may have failed all the same.
    """

    request_id: str
    request_digest: str
    model: str
    model_revision: str
    deployment: str | None = None
    text: str = ""
    message: Mapping[str, Any] | None = None
    finish_reason: str | None = None
    dropped_parameters: tuple[str, ...] = ()
    data: Any = None
    recalled: bool = False
    error_class: str | None = None
    error_message: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    lease_wait_ms: float = 0.0
    total_ms: float = 0.0
    repaired: bool = False

    @property
    def ok(self) -> bool:
        """Whether the request was answered."""
        return self.error_class is None
