"""What a supervisor refuses, and what stops it from starting.

::

    SupervisorError
    ├── BadConfiguration     the configuration cannot be used as it is written
    ├── CannotStart          a model server cannot be started now
    │   └── BadCommand       its command cannot be run, however often
    └── Refused              a request that is answered with an error; ``status`` and ``code`` say which
        ├── BadRequest           400 bad_request      a header, a path or a body that cannot be read
        ├── Unauthorized         401 unauthorized     a control route without the key
        ├── UnknownModel         404 unknown_model    the configuration has no such model
        ├── RequestTimeout       408 request_timeout  a request whose body stopped coming
        ├── StaleToken           409 stale_token      an order older than one that was followed
        ├── Busy                 409 busy             another model is active, or this one is on its way out
        ├── StaleLease           409 stale_lease      the lease was given before this activation, or revoked
        ├── TooManyRevoked       409 too_many_revoked more tokens than are remembered
        ├── BodyTooLarge         413 body_too_large   a request body beyond the bound
        ├── ServerBroke          502 server_broke     the model server broke off before it answered
        ├── NotReady             503 not_ready        no model is active, or it does not answer yet or any more
        └── StillEnding          504 still_ending     processes that even SIGKILL did not end in time
"""

from __future__ import annotations

from typing import ClassVar


class SupervisorError(Exception):
    """Base of all."""


class BadConfiguration(SupervisorError):
    """The configuration cannot be used as it is written; the message names file, line and field."""


class CannotStart(SupervisorError):
    """A model server cannot be started now: its port is taken, or there is no room for a process."""


class BadCommand(CannotStart):
    """A model server's command cannot be run, however often: no such program, or no permission."""


class Refused(SupervisorError):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        code: Short stable name of the refusal.
        retry_after_s: Whole seconds after which asking again may help, None where it will not.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadRequest(Refused):
    """A header, a path or a body that cannot be read."""


class Unauthorized(Refused):
    """A control route was asked without the key, or with a wrong one."""

    status = 401
    code = "unauthorized"


class UnknownModel(Refused):
    """The configuration has no model of that name."""

    status = 404
    code = "unknown_model"


class RequestTimeout(Refused):
    """A request whose body stopped coming before it was whole."""

    status = 408
    code = "request_timeout"


class StaleToken(Refused):
    """An order whose token is older than one that was followed already: whoever sent it was overtaken."""

    status = 409
    code = "stale_token"


class Busy(Refused):
    """Another model is active and must be deactivated first, or this one is being deactivated."""

    status = 409
    code = "busy"


class StaleLease(Refused):
    """The lease was given before this activation, or it was revoked."""

    status = 409
    code = "stale_lease"


class TooManyRevoked(Refused):
    """More revoked tokens than are remembered; forgetting one would let its holder in again."""

    status = 409
    code = "too_many_revoked"


class BodyTooLarge(Refused):
    """A request body beyond the bound."""

    status = 413
    code = "body_too_large"


class ServerBroke(Refused):
    """The model server broke off, could not be reached, or took nothing, before it answered."""

    status = 502
    code = "server_broke"


class NotReady(Refused):
    """No model is active, or it does not answer yet, or not any more."""

    status = 503
    code = "not_ready"


class StillEnding(Refused):
    """Processes of the server did not end in time, though they were killed."""

    status = 504
    code = "still_ending"
