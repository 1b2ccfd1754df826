"""Read what a request holds, within limits of bytes and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from gateway.errors import BadRequest, DeadlineExceeded, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from starlette.requests import Request

READ_S: Final = 60.0
"""Seconds in which a body has to have come; who sends slower would keep the place of others."""

_Body = TypeVar("_Body", bound=BaseModel)


async def read_body(request: Request, *, at_most: int) -> bytes:
    """All of a request's body.

    Raises:
        TooLarge: It has more bytes than ``at_most``.
        DeadlineExceeded: It did not come within ``READ_S`` seconds.
        BadRequest: The client went away in the middle of it.
    """
    if (declared := request.headers.get("content-length", "")).isdigit() and int(declared) > at_most:
        raise too_large(at_most)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_S):
            async for piece in request.stream():
                size += len(piece)
                if size > at_most:
                    raise too_large(at_most)
                pieces.append(piece)
    except TimeoutError as error:
        raise DeadlineExceeded(f"The request's body did not come within {READ_S:g} s.") from error
    except ClientDisconnect as error:
        raise BadRequest("The request's body broke off.") from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(at_most: int) -> TooLarge:
    """The error of a body that has more bytes than this."""
    return TooLarge(
        f"The request's body has more than {at_most >> 20} MiB. Send smaller pictures, or raise "
        f"IMAGEWORKS_GATEWAY_MAX_BODY."
    )


async def read_json(request: Request, shape: type[_Body], *, at_most: int) -> _Body:
    """A JSON body of a shape.

    Raises:
        UnsupportedMedia: It says that it is something else.
        BadRequest: It is no JSON, or of another shape; ``param`` names the field.
        TooLarge, DeadlineExceeded: As `read_body`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", ""}:
        raise UnsupportedMedia(f"Content-Type {kind[:80]!r} is not read here; send application/json.")
    return parsed(await read_body(request, at_most=at_most), shape)


def parsed(body: bytes, shape: type[_Body]) -> _Body:
    """A body of a shape.

    Raises:
        BadRequest: It is no JSON, or of another shape; ``param`` names the field.
    """
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The request's body is not JSON: {error}.", code="invalid_json") from error
    try:
        return shape.model_validate(said)
    except ValidationError as error:
        raise misshapen(error) from error


def misshapen(error: ValidationError) -> BadRequest:
    """What is wrong with a body, in the first place where something is."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"]).lstrip(
        "."
    )
    words = problem["msg"].removeprefix("Value error, ")
    return BadRequest(
        f"{field}: {words}." if field else f"{words}.", param=field or None, code="invalid_value"
    )
