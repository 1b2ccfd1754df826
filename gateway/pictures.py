"""Pictures that a request brings: in data URIs, of formats and sizes that are taken."""

from __future__ import annotations

import base64
import io
import re
import string
import warnings
from contextlib import suppress
from typing import Final

from PIL import Image, UnidentifiedImageError

from gateway.errors import BadRequest, TooLarge

_DATA_URI: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,", re.IGNORECASE)
_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
_LONGEST_HEAD: Final = 80
_BASE64: Final = (string.ascii_letters + string.digits + "+/").encode()
# A multiple of four, so that it is base64 by itself.
_BEGINNING: Final = 32 * 1024


def refuse_picture(uri: str, *, param: str, max_pixels: int) -> None:
    """Return if a picture may be sent on.

    Args:
        uri: A data URI of base64.
        param: The field that it stands in, for errors.
        max_pixels: More are refused, from the picture's header alone.

    Raises:
        BadRequest: It is elsewhere, or no picture of a format that models take.
        TooLarge: It has more pixels.
    """
    head = _DATA_URI.match(uri[:_LONGEST_HEAD])
    if head is None:
        raise BadRequest(
            f"{param}: a picture is sent as data:image/jpeg;base64,…; nothing is fetched from elsewhere.",
            param=param,
            code="image_not_inline",
        )
    media_type = head[1].lower()
    if media_type not in _FORMATS:
        raise BadRequest(
            f"{param}: {media_type} is not taken; send {', '.join(_FORMATS)}.",
            param=param,
            code="image_format",
        )
    encoded = uri[head.end() :].encode("ascii", "replace")
    if len(encoded) % 4 or encoded.translate(None, _BASE64).strip(b"=") or encoded.find(b"=", 0, -2) >= 0:
        raise BadRequest(f"{param}: the picture is not base64.", param=param, code="image_base64")
    width, height = _size_of_encoded(encoded, media_type, param=param)
    if width * height > max_pixels:
        raise TooLarge(
            f"{param}: the picture has {width}x{height} pixels, more than the {max_pixels:,} that are taken.",
            param=param,
            code="image_too_large",
        )


def _size_of_encoded(encoded: bytes, media_type: str, *, param: str) -> tuple[int, int]:
    # Nearly always a picture's beginning says it, and decoding all of it is a third of what a picture costs us.
    if len(encoded) > _BEGINNING:
        with suppress(BadRequest):
            return size_of(base64.b64decode(encoded[:_BEGINNING]), media_type, param=param)
    return size_of(base64.b64decode(encoded), media_type, param=param)


def size_of(data: bytes, media_type: str, *, param: str) -> tuple[int, int]:
    """Width and height of a picture by its header, which is all that is read.

    Raises:
        BadRequest: It is no picture of this media type.
    """
    wanted = _FORMATS[media_type]
    try:
        with warnings.catch_warnings():
            # Our own limit comes next.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[wanted]) as image:
                return image.size
    except Image.DecompressionBombError as error:
        raise TooLarge(f"{param}: {error}", param=param, code="image_too_large") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadRequest(
            f"{param}: what is sent is no {wanted} picture.", param=param, code="image_broken"
        ) from error
