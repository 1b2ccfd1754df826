"""From the body of a scoring, JSON or a form with files, to one request a picture."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from backends.errors import InvalidRequest
from backends.iqa.asked import media_type_of, read_form, read_json_body
from backends.iqa.errors import BadAsking
from backends.request import Image
from backends.scoring import score_request
from gateway.bodies import read_body
from gateway.errors import BadRequest, GatewayError, TooLarge, UnsupportedMedia
from gateway.pictures import checked_type

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from backends.iqa.asked import Asked, Picture
    from backends.request import Labels
    from backends.request import Request as ToScore
    from registry.schema import Model


async def read_pictures(request: Request, *, at_most: int) -> Asked:
    """What a request wants to have scored.

    Raises:
        BadRequest, UnsupportedMedia, TooLarge: It cannot be read. A picture that is none says so itself.
        DeadlineExceeded: Its body did not come in time.
    """
    kind = media_type_of(request.headers)
    if kind not in {"application/json", "", "multipart/form-data"}:
        raise UnsupportedMedia(
            f"Content-Type {kind[:80]!r} is not read here; send application/json or multipart/form-data."
        )
    body = await read_body(request, at_most=at_most)
    try:
        if kind == "multipart/form-data":
            return await read_form(request.headers, _whole(body))
        return await asyncio.to_thread(read_json_body, body)
    except BadAsking as error:
        raise BadRequest(str(error), code="invalid_value") from error


def score_requests(
    asked: Asked, model: Model, labels: Labels, *, max_pixels: int
) -> list[ToScore | GatewayError]:
    """One request a picture, in their order, or why there is none. Reads every picture's header, and digests it.

    Raises:
        BadRequest: The model does not measure what is asked for.
    """
    made: list[ToScore | GatewayError] = []
    for index, picture in enumerate(asked.pictures):
        try:
            image = _image(picture, param=f"images[{index}]", max_pixels=max_pixels)
            made.append(score_request(model, image, asked.metrics, labels))
        except (BadRequest, TooLarge) as error:
            made.append(error)
        except InvalidRequest as error:
            raise BadRequest(str(error), param="metrics", code="unknown_metric") from error
    return made


def _image(picture: Picture, *, param: str, max_pixels: int) -> Image:
    if picture.problem:
        raise BadRequest(picture.problem, param=param, code="image_base64")
    media_type = checked_type(picture.data, param=param, max_pixels=max_pixels)
    digest = hashlib.sha256(picture.data).hexdigest()
    return Image(digest=digest, media_type=media_type, load=lambda: picture.data)


async def _whole(body: bytes) -> AsyncGenerator[bytes]:
    yield body
