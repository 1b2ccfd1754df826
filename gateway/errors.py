"""What a request is told when it gets no answer, in the OpenAI protocol's shape.

GatewayError
├── BadRequest              400  what was sent cannot be meant
│   └── BrokenFiles             400  files of prompts or models; says file, line and field
├── Unauthorized            401  no key, or none that is known
├── Forbidden               403  the key's role does not allow it
├── NotFound                404  nothing has this name; says what there is
├── MethodNotAllowed        405
├── Conflict                409  somebody else was first
├── TooLarge                413  more bytes, pixels or pictures than are taken
├── UnsupportedMedia        415
├── Overloaded              429  too much at once, or too often; says when to come again
├── BackendFailed           502  the model's server gave nothing that can be passed on
├── Unavailable             503  no server of the model answers, or this one is about to stop
└── DeadlineExceeded        504  it took longer than it may
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class PlacedProblem(Protocol):
    """One thing that is wrong in a file, as prompts and models have it."""

    @property
    def file(self) -> str:
        """Which file."""

    @property
    def line(self) -> int | None:
        """Which line, from 1; None where it has no place."""

    @property
    def field(self) -> str:
        """Which field; may be empty."""

    @property
    def problem(self) -> str:
        """What is wrong, and what to do."""


class GatewayError(Exception):
    """A request that gets no answer.

    Attributes:
        status: HTTP status.
        kind: The protocol's ``type`` of error.
        code: Short stable name of what is wrong.
        param: The field that it is about.
        retry_after_s: Seconds after which it is worth to come again.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: str = "failed"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after_s = retry_after_s
        if code is not None:
            self.code = code

    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


class BadRequest(GatewayError):
    """What was sent cannot be meant."""

    status = 400
    kind = "invalid_request_error"
    code = "bad_request"


class BrokenFiles(BadRequest):
    """Files cannot be used as they are; nothing of them is.

    Attributes:
        problems: What is wrong, each with its place.
    """

    code = "broken_files"

    def __init__(self, message: str, problems: Sequence[PlacedProblem]) -> None:
        super().__init__(message, param=problems[0].field or None if problems else None)
        self.problems = problems

    def body(self) -> dict[str, Any]:
        """What is sent."""
        body = super().body()
        body["error"]["problems"] = [
            {"file": one.file, "line": one.line, "field": one.field, "problem": one.problem}
            for one in self.problems
        ]
        return body


class Unauthorized(GatewayError):
    """No key, or none that is known."""

    status = 401
    kind = "invalid_request_error"
    code = "invalid_api_key"


class Forbidden(GatewayError):
    """The role of whoever asks does not allow it."""

    status = 403
    kind = "invalid_request_error"
    code = "forbidden"


class NotFound(GatewayError):
    """Nothing has this name."""

    status = 404
    kind = "invalid_request_error"
    code = "not_found"


class MethodNotAllowed(GatewayError):
    """The path takes another method."""

    status = 405
    kind = "invalid_request_error"
    code = "method_not_allowed"


class Conflict(GatewayError):
    """Somebody else was first."""

    status = 409
    kind = "invalid_request_error"
    code = "conflict"


class TooLarge(GatewayError):
    """More bytes, pixels or pictures than are taken."""

    status = 413
    kind = "invalid_request_error"
    code = "too_large"


class UnsupportedMedia(GatewayError):
    """A body of a kind that is not read."""

    status = 415
    kind = "invalid_request_error"
    code = "unsupported_media_type"


class Overloaded(GatewayError):
    """Too much at once, or too often."""

    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"


class BackendFailed(GatewayError):
    """The model's server gave nothing that can be passed on."""

    status = 502
    kind = "server_error"
    code = "backend_failed"


class Unavailable(GatewayError):
    """No server of the model answers, or this one is about to stop."""

    status = 503
    kind = "server_error"
    code = "unavailable"


class DeadlineExceeded(GatewayError):
    """It took longer than it may."""

    status = 504
    kind = "server_error"
    code = "deadline_exceeded"
