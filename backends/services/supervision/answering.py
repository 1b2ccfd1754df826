"""Errors as JSON: ``{"error": {"code": ..., "message": ...}}``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from backends.services.supervision.errors import Refused

_REST_IS_NOT_READ: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def error_response(
    status: int, code: str, message: str, *, retry_after_s: int | None = None, close: bool = False
) -> JSONResponse:
    """An error.

    Args:
        status: HTTP status.
        code: Short stable name.
        message: What happened and what to do.
        retry_after_s: Whole seconds after which asking again may help.
        close: Whether the connection has to end, because the rest of a request is not read.
    """
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    if close:
        headers["Connection"] = "close"
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


def refusal_response(refusal: Refused) -> JSONResponse:
    """A refusal."""
    return error_response(
        refusal.status,
        refusal.code,
        str(refusal),
        retry_after_s=refusal.retry_after_s,
        close=refusal.status in _REST_IS_NOT_READ,
    )
