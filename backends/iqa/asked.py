"""What a request to ``/infer`` asks, read within limits, from JSON or from a form with files."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from backends.iqa.errors import BadAsking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.datastructures import FormData, Headers
    from starlette.requests import Request

MOST_BYTES: Final = 32 << 20
"""Bytes of one request's body; base64 takes four for three."""

MOST_PICTURES: Final = 16
"""Pictures of one request to a worker."""

MOST_LISTED: Final = 64
"""Pictures of one request to whoever reads it, and may take fewer."""

_MOST_METRICS: Final = 32
_LONGEST_NAME: Final = 256
_MOST_FIELDS: Final = 32

_Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
_Metrics = Annotated[list[_Name], Field(max_length=_MOST_METRICS)]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a request.

    Attributes:
        id: What it is answered under.
        data: Its encoded bytes.
        problem: Why there are none, in words; empty where there are.
    """

    id: str
    data: bytes
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks.

    Attributes:
        pictures: At least one.
        metrics: Names of metrics, each once; empty for all there are.
        model: Name of a model, for who has several; None where the request names none.
    """

    pictures: tuple[Picture, ...]
    metrics: tuple[str, ...]
    model: str | None = None


class _Part(BaseModel):
    # Clients of other services of this kind send more.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class OnePicture(_Part):
    """A picture in base64, and the id that it is answered under."""

    image_b64: str
    id: _Name | None = None


class AskedBody(_Part):
    """A JSON body: either several pictures, or one."""

    images: Annotated[list[OnePicture], Field(max_length=MOST_LISTED)] | None = None
    image_b64: str | None = None
    id: _Name | None = None
    metrics: _Metrics = Field(default_factory=list, description="Empty for all that the model measures.")
    model: _Name | None = None


async def read_asked(request: Request) -> Asked:
    """What a request asks of a worker.

    Raises:
        BadAsking: It cannot be read, or asks for more than the limits allow; with the HTTP status for it.
    """
    kind = media_type_of(request.headers)
    if kind == "multipart/form-data":
        asked = await read_form(request.headers, _bounded(request))
    elif kind in {"application/json", ""}:
        body = b"".join([piece async for piece in _bounded(request)])
        asked = await run_in_threadpool(read_json_body, body)
    else:
        raise BadAsking(
            f"Content-Type {kind[:80]!r} is not read; send application/json or multipart/form-data.",
            status=415,
        )
    if len(asked.pictures) > MOST_PICTURES:
        raise BadAsking(f"images: at most {MOST_PICTURES} pictures in one request.", status=422)
    for picture in asked.pictures:
        if picture.problem:
            raise BadAsking(picture.problem, status=422)
    return asked


def media_type_of(headers: Headers) -> str:
    """What a request says that its body is, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def read_json_body(body: bytes) -> Asked:
    """What a JSON body asks: ``{"images": [{"id", "image_b64"}], "metrics"}`` or ``{"image_b64", "metrics"}``.

    Raises:
        BadAsking: It cannot be read, or asks for more than the limits allow; a picture that is none says so itself.
    """
    try:
        said = AskedBody.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the body"
        raise BadAsking(f"{where}: {problem['msg']}.", status=422) from error
    if (said.images is None) == (said.image_b64 is None):
        raise BadAsking("Send either images, or one image_b64.", status=422)
    single = [OnePicture(image_b64=said.image_b64, id=said.id)] if said.image_b64 is not None else []
    pictures = [_decoded(one, index) for index, one in enumerate(said.images or single)]
    return _asked(pictures, said.metrics, said.model)


async def read_form(headers: Headers, pieces: AsyncGenerator[bytes]) -> Asked:
    """What a form with files asks.

    Args:
        headers: Of the request.
        pieces: Its body.

    Raises:
        BadAsking: As `read_json_body`.
    """
    parser = MultiPartParser(
        headers, pieces, max_files=MOST_LISTED, max_fields=_MOST_FIELDS, max_part_size=1 << 16
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        words = error.message if isinstance(error, MultiPartException) else f"no multipart body ({error})"
        raise BadAsking(f"The form cannot be read: {words}.", status=422) from error
    try:
        return await _of_form(form)
    finally:
        await form.close()


async def _of_form(form: FormData) -> Asked:
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    pictures = [
        Picture((file.filename or str(index))[:_LONGEST_NAME], await file.read())
        for index, file in enumerate(files)
    ]
    given = [value for value in form.getlist("metrics") if isinstance(value, str)]
    metrics = [name.strip() for value in given for name in value.split(",") if name.strip()]
    if len(metrics) > _MOST_METRICS or any(len(name) > _LONGEST_NAME for name in metrics):
        raise BadAsking(f"metrics: at most {_MOST_METRICS} short names.", status=422)
    model = form.get("model")
    if isinstance(model, str) and len(model) > _LONGEST_NAME:
        raise BadAsking(f"model: at most {_LONGEST_NAME} characters.", status=422)
    return _asked(pictures, metrics, model if isinstance(model, str) else None)


def _asked(pictures: list[Picture], metrics: list[str], model: str | None) -> Asked:
    if not pictures:
        raise BadAsking("There is no picture in the request.", status=422)
    return Asked(tuple(pictures), tuple(dict.fromkeys(metrics)), model)


def _decoded(one: OnePicture, index: int) -> Picture:
    name = str(index) if one.id is None else one.id
    try:
        return Picture(name, base64.b64decode(one.image_b64, validate=True))
    except (binascii.Error, ValueError) as error:
        return Picture(name, b"", f"The image_b64 of picture {index} is no base64 ({error}).")


def declared_bytes(request: Request) -> int:
    """The size of a body as its request says; the largest that is read where it says none.

    Raises:
        BadAsking: It is larger than that.
    """
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else MOST_BYTES
    if size > MOST_BYTES:
        raise _too_large()
    return size


async def _bounded(request: Request) -> AsyncGenerator[bytes]:
    """The body in pieces, refused as soon as it is known to be too large."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MOST_BYTES:
            raise _too_large()
        yield piece


def _too_large() -> BadAsking:
    return BadAsking(
        f"The body has more than the {MOST_BYTES >> 20} MiB that are read; send fewer pictures, or smaller ones.",
        status=413,
    )
