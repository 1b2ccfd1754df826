"""Pictures that a request brings: in data URIs, of formats and sizes that are taken."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from typing import TYPE_CHECKING, Final

from PIL import Image, UnidentifiedImageError

from gateway.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable

_DATA_URI: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,", re.IGNORECASE)
_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
_LONGEST_HEAD: Final = 80


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
    try:
        data = base64.b64decode(memoryview(uri.encode("ascii"))[head.end() :], validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise BadRequest(
            f"{param}: the picture is not base64: {error}.", param=param, code="image_base64"
        ) from error
    checked_type(data, (media_type,), param=param, max_pixels=max_pixels)


def checked_type(data: bytes, media_types: Iterable[str] = _FORMATS, *, param: str, max_pixels: int) -> str:
    """The media type of a picture that may be sent on, by its header, which is all that is read.

    Args:
        data: Its encoded bytes.
        media_types: Those that it may be of.
        param: The field that it stands in, for errors.
        max_pixels: More are refused.

    Raises:
        BadRequest: It is no picture of these media types.
        TooLarge: It has more pixels.
    """
    wanted = {_FORMATS[one]: one for one in media_types}
    try:
        with warnings.catch_warnings():
            # Our own limit comes next.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=list(wanted)) as image:
                (width, height), found = image.size, image.format or ""
    except Image.DecompressionBombError as error:
        raise TooLarge(f"{param}: {error}", param=param, code="image_too_large") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadRequest(
            f"{param}: what is sent is no {' or '.join(wanted)} picture.", param=param, code="image_broken"
        ) from error
    if width * height > max_pixels:
        raise TooLarge(
            f"{param}: the picture has {width}x{height} pixels, more than the {max_pixels:,} that are taken.",
            param=param,
            code="image_too_large",
        )
    return wanted[found]
