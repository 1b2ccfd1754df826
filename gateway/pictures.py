"""Pictures that a request brings: in data URIs, of formats and sizes that are taken."""

from __future__ import annotations

import base64
import io
import re
import string
import warnings
from typing import TYPE_CHECKING, Final

from PIL import Image, UnidentifiedImageError

from gateway.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable

_DATA_URI: Final = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,", re.IGNORECASE)
_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/gif": "GIF"}
_LONGEST_HEAD: Final = 80
_BASE64: Final = (string.ascii_letters + string.digits + "+/").encode()
_MOST_PADDING: Final = 2
# Of a picture in base64. Nearly always it says the format and the size, and to decode all of it is a third of what a
# picture costs us. A multiple of four, so that it is base64 by itself.
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
    if not _is_base64(encoded):
        raise BadRequest(f"{param}: the picture is not base64.", param=param, code="image_base64")
    beginning = base64.b64decode(encoded[:_BEGINNING])
    try:
        checked_type(beginning, (media_type,), param=param, max_pixels=max_pixels)
    except BadRequest:
        if len(encoded) <= _BEGINNING:
            raise
        checked_type(base64.b64decode(encoded), (media_type,), param=param, max_pixels=max_pixels)


def _is_base64(encoded: bytes) -> bool:
    """Whether all of it can be decoded; quicker than to decode it."""
    said = encoded.rstrip(b"=")
    return (
        not len(encoded) % 4
        and len(encoded) - len(said) <= _MOST_PADDING
        and not said.translate(None, _BASE64)
    )


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
                # A JPEG with more pictures behind it, as phones make them.
                found = "JPEG" if found == "MPO" else found
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
