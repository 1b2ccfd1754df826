"""What can go wrong while asking a model.

BackendError
├── ModelMisconfigured      the registry or the settings ask for what cannot be done
│   ├── RemoteNotAllowed        pictures would leave the machine without consent
│   └── LedgerInOtherMode       others who share the devices have another IMAGEWORKS_LEASES
├── ModelUnreachable        no deployment of the model answers when a step starts
│   └── BackendDown             one that answered before stayed away for longer than we wait
├── LoadingFailed           a server could not load or unload a model
├── ReleaseRefused          what an operator chose to release is not there, or is nothing
├── InvalidRequest          a request holds what no backend could be sent
└── AttemptFailed           one try failed; in the end it is an ``Answer`` with an ``error_class``
    ├── ConnectFailed           connect_failed      refused, no such host, bad certificate
    ├── ConnectTimeout          connect_timeout     no connection in time
    ├── FirstByteTimeout        first_byte_timeout  connected, and no answer began in time
    ├── Stalled                 stalled             an answer began and then nothing came
    ├── RequestTimeout          request_timeout     the attempt as a whole took too long
    ├── ConnectionReset         reset               the connection broke
    ├── NotHttp                 not_http            what came is not HTTP
    ├── StaleLease              stale_lease         the lease ran out, and its server knows it
    ├── HttpFailure             http_3xx http_4xx http_429 http_5xx
    ├── BodyTooLarge            body_too_large      more bytes than any answer has
    ├── BodyEncoded             body_encoded        compressed, though we asked for it as it is
    ├── NotJson                 not_json            the response or its text is not JSON
    ├── EmptyAnswer             empty_answer        no choice, or a choice without text
    ├── TruncatedAnswer         truncated_answer    cut off at the token limit
    ├── AnswerTooLong           answer_too_long     more text than any answer to a schema has
    ├── Refused                 refused             the backend's filter or the model declined
    ├── SchemaMismatch          schema_mismatch     JSON that misses its schema, after the repair try too
    ├── GatewayFailed           the class that the gateway's event has: what a gateway asked for us failed there
    ├── MetricsFailed           the metrics' own class, or metrics_failed: an image-quality model had none
    ├── EmbeddedFailed          embedded_failed     a function of provider ``embedded`` raised
    └── PictureFailed           the picture's own class, or picture_failed: it could not be made
"""

from __future__ import annotations

from typing import ClassVar


class BackendError(Exception):
    """Anything that this package raises on its own account."""


class ModelMisconfigured(BackendError):
    """The registry or the settings ask for what cannot be done."""


class RemoteNotAllowed(ModelMisconfigured):
    """A deployment is outside the private network, and nobody consented to pictures leaving it."""


class LedgerInOtherMode(ModelMisconfigured):
    """The ledger of leases has one mode at a time, and it is another than this process has."""


class ModelUnreachable(BackendError):
    """No deployment of the model answers."""


class BackendDown(ModelUnreachable):
    """A deployment that answered before failed too often and did not come back in time."""


class LoadingFailed(BackendError):
    """A server could not load or unload a model, or does not say what it has.

    Attributes:
        http_status: Of its refusal, None if it said nothing.
    """

    def __init__(self, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status


class ReleaseRefused(BackendError):
    """What an operator chose to release is not there, or is nothing at all."""


class InvalidRequest(BackendError):
    """A request holds what cannot be sent or named: a mistake in the calling code."""


class AttemptFailed(BackendError):
    """One try of a request failed.

    Attributes:
        error_class: Short stable name of the kind of failure, for tables and telemetry.
        retried: Whether trying the same again may help.
        backend_at_fault: Whether it counts against the deployment (and may open its circuit breaker).
        retry_after_s: Seconds that the backend asked us to wait, None if it did not say.
        http_status: Status of the response, None if none came.
        answer_begun: Whether parts of the answer were handed on, so that trying again would say them twice.
    """

    error_class: str = "failed"
    answer_begun: bool = False
    retried: ClassVar[bool] = True
    backend_at_fault: ClassVar[bool] = True

    def __init__(
        self, message: str, *, http_status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.retry_after_s = retry_after_s

    @property
    def may_be_retried(self) -> bool:
        """Whether trying the same again may help, for this very failure."""
        return self.retried

    @property
    def counts_against_backend(self) -> bool:
        """Whether this very failure counts against the deployment."""
        return self.backend_at_fault


class ConnectFailed(AttemptFailed):
    """The connection was refused, the host is unknown, or its certificate is bad."""

    error_class = "connect_failed"


class ConnectTimeout(AttemptFailed):
    """No connection in time."""

    error_class = "connect_timeout"


class FirstByteTimeout(AttemptFailed):
    """The request was sent, and no answer began in time."""

    error_class = "first_byte_timeout"


class Stalled(AttemptFailed):
    """An answer began and then nothing came."""

    error_class = "stalled"


class RequestTimeout(AttemptFailed):
    """The attempt as a whole took too long."""

    error_class = "request_timeout"


class ConnectionReset(AttemptFailed):
    """The connection broke before the answer was whole."""

    error_class = "reset"


class NotHttp(AttemptFailed):
    """What came is not HTTP."""

    error_class = "not_http"


class StaleLease(AttemptFailed):
    """The lease that the request was asked under had run out, and its server refused it."""

    error_class = "stale_lease"
    backend_at_fault: ClassVar[bool] = False


class HttpFailure(AttemptFailed):
    """The backend answered with another status than 200."""

    _RETRIED_4XX: ClassVar[frozenset[int]] = frozenset({408, 425, 429})

    def __init__(self, message: str, *, http_status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, http_status=http_status, retry_after_s=retry_after_s)
        self.status = http_status
        self.error_class = "http_429" if http_status == 429 else f"http_{http_status // 100}xx"  # noqa: PLR2004 - Too Many Requests

    @property
    def may_be_retried(self) -> bool:
        """Server errors and "not now" are retried; a request that the backend does not like is not."""
        return self.status >= 500 or self.status in self._RETRIED_4XX  # noqa: PLR2004 - the first server error

    @property
    def counts_against_backend(self) -> bool:
        """A busy backend (429) works, and so does one that dislikes a request."""
        return self.status >= 500  # noqa: PLR2004 - the first server error


class BodyTooLarge(AttemptFailed):
    """The response has more bytes than any answer has."""

    error_class = "body_too_large"
    retried = False
    backend_at_fault = False


class BodyEncoded(AttemptFailed):
    """The response is compressed, though we asked for it as it is: a small one could fill the memory."""

    error_class = "body_encoded"
    retried = False
    backend_at_fault = False


class NotJson(AttemptFailed):
    """The response, or the text that the model wrote, is not JSON."""

    error_class = "not_json"
    backend_at_fault = False


class EmptyAnswer(AttemptFailed):
    """The response has no choice, or one without text."""

    error_class = "empty_answer"
    backend_at_fault = False


class TruncatedAnswer(AttemptFailed):
    """The answer was cut off at the token limit; asking the same again costs the most and helps the least."""

    error_class = "truncated_answer"
    retried = False
    backend_at_fault = False


class AnswerTooLong(AttemptFailed):
    """The answer has more text than any answer to a schema has; checking it would hold up all others."""

    error_class = "answer_too_long"
    retried = False
    backend_at_fault = False


class Refused(AttemptFailed):
    """The backend's content filter or the model declined to answer."""

    error_class = "refused"
    retried = False
    backend_at_fault = False


class SchemaMismatch(AttemptFailed):
    """The answer is JSON and misses its schema."""

    error_class = "schema_mismatch"
    retried = False
    backend_at_fault = False


class GatewayFailed(AttemptFailed):
    """A gateway asked, as often as it tries, and failed; ``error_class`` is its event's."""

    retried = False
    backend_at_fault = False

    def __init__(self, message: str, *, error_class: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class MetricsFailed(AttemptFailed):
    """An image-quality model had no metric of a picture; ``error_class`` is the metrics' own if all have one."""

    error_class = "metrics_failed"
    retried = False
    backend_at_fault = False

    def __init__(self, message: str, *, error_class: str | None = None) -> None:
        super().__init__(message, http_status=200)
        if error_class is not None:
            self.error_class = error_class


class EmbeddedFailed(AttemptFailed):
    """A function of provider ``embedded`` raised."""

    error_class = "embedded_failed"
    retried = False
    backend_at_fault = False


class PictureFailed(AttemptFailed):
    """A picture of the request could not be made; ``error_class`` is the error's own if it has one."""

    retried = False
    backend_at_fault = False

    def __init__(self, message: str, *, error_class: str = "picture_failed") -> None:
        super().__init__(message)
        self.error_class = error_class
