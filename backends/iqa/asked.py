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

    from starlette.datastructures import FormData
    from starlette.requests import Request

MOST_BYTES: Final = 32 << 20
"""Bytes of one request's body; base64 takes four for three."""

MOST_PICTURES: Final = 16
"""Pictures of one request."""

_MOST_METRICS: Final = 32
_LONGEST_NAME: Final = 256
_MOST_FIELDS: Final = 32

_Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
_Metrics = Annotated[list[_Name], Field(max_length=_MOST_METRICS)]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a request: the id that it is answered under, and its encoded bytes."""

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks.

    Attributes:
        pictures: At least one.
        metrics: Names of metrics, each once; empty for all there are.
    """

    pictures: tuple[Picture, ...]
    metrics: tuple[str, ...]


class _Part(BaseModel):
    # Clients of other services of this kind send more, such as a model's name.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _OnePicture(_Part):
    image_b64: str
    id: _Name | None = None


class _Body(_Part):
    images: Annotated[list[_OnePicture], Field(max_length=MOST_PICTURES)] | None = None
    image_b64: str | None = None
    id: _Name | None = None
    metrics: _Metrics = Field(default_factory=list)


async def read_asked(request: Request) -> Asked:
    """What a request asks.

    Raises:
        BadAsking: It cannot be read, or asks for more than the limits allow; with the HTTP status for it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request)
    if kind in {"application/json", ""}:
        body = b"".join([piece async for piece in _bounded(request)])
        return await run_in_threadpool(read_json_body, body)
    raise BadAsking(
        f"Content-Type {kind[:80]!r} is not read; send application/json or multipart/form-data.", status=415
    )


def read_json_body(body: bytes) -> Asked:
    """What a JSON body asks: ``{"images": [{"id", "image_b64"}], "metrics"}`` or ``{"image_b64", "metrics"}``.

    Raises:
        BadAsking: As `read_asked`.
    """
    try:
        said = _Body.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the body"
        raise BadAsking(f"{where}: {problem['msg']}.", status=422) from error
    if (said.images is None) == (said.image_b64 is None):
        raise BadAsking("Send either images, or one image_b64.", status=422)
    single = [_OnePicture(image_b64=said.image_b64, id=said.id)] if said.image_b64 is not None else []
    pictures = [
        Picture(str(index) if one.id is None else one.id, _decoded(one.image_b64, index))
        for index, one in enumerate(said.images or single)
    ]
    return _asked(pictures, said.metrics)


async def _read_form(request: Request) -> Asked:
    parser = MultiPartParser(
        request.headers,
        _bounded(request),
        max_files=MOST_PICTURES,
        max_fields=_MOST_FIELDS,
        max_part_size=1 << 16,
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
    return _asked(pictures, metrics)


def _asked(pictures: list[Picture], metrics: list[str]) -> Asked:
    if not pictures:
        raise BadAsking("There is no picture in the request.", status=422)
    return Asked(tuple(pictures), tuple(dict.fromkeys(metrics)))


def _decoded(text: str, index: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAsking(f"The image_b64 of picture {index} is no base64 ({error}).", status=422) from error


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
