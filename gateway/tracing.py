"""Names of a request, which come in, go out, and go on to the model's server (W3C Trace Context)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_TRACE_PARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_NOTHING: Final = b"0" * 32


@dataclass(frozen=True, slots=True)
class Trace:
    """How a request is named.

    Attributes:
        request_id: What the caller calls it, or we.
        trace_id: 32 hex digits, ``trace_id`` in telemetry.
    """

    request_id: str
    trace_id: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What an answer says of it."""
        return [
            (b"x-request-id", self.request_id.encode()),
            (b"traceparent", f"00-{self.trace_id}-{self.trace_id[:16]}-01".encode()),
        ]


def trace_of(headers: Iterable[tuple[bytes, bytes]]) -> Trace:
    """What a request's headers call it; what they do not, or not as they should, is made up."""
    request_id = trace_id = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (match := _TRACE_PARENT.fullmatch(value)) and match[1] != _NOTHING:
            trace_id = match[1].decode("ascii")
    made = os.urandom(16).hex()
    return Trace(request_id or f"req_{made}", trace_id or made)
