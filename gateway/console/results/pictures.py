"""Pictures for people, of photos of known batches and prompt tests, small enough to send."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from gateway.errors import NotFound
from photos.decoding import decode
from photos.previews import PreviewSpec, preview

if TYPE_CHECKING:
    from pathlib import Path

    from store.home import Home
    from store.settings import Settings

SMALL: Final = PreviewSpec(long_side=480, quality=82)
"""As reports have them, so that those are used which are there."""
LARGE: Final = PreviewSpec(long_side=1280, quality=84)

_AT_ONCE: Final = threading.Semaphore(2)
"""Decoding takes memory and a core; whoever scrolls through thousands asks for many."""

_CACHED: Final = "private, max-age=60"
"""Then a browser asks whether it is still that photo, and is told so without its bytes."""


def send_picture(
    home: Home, settings: Settings, photo_id: str, path: Path, *, large: bool, known: str = ""
) -> Response:
    """A photo as a JPEG; the small one is kept, and made if it is not there.

    Args:
        home: Where small ones are kept.
        settings: Limits of what is decoded.
        photo_id: Names the picture.
        path: The photo's file, which a table of ours or a test file names, and never a request.
        large: Whether it is looked at alone.
        known: The tags of what the browser has of it.

    Raises:
        NotFound: The file is no longer there.
        PhotoError: It cannot be decoded within the limits.
    """
    etag = f'"{photo_id[:32]}-{"large" if large else "small"}"'
    headers = {"Cache-Control": _CACHED, "ETag": etag}
    if etag in known:
        return Response(status_code=304, headers=headers)
    jpeg = _made(settings, path, LARGE) if large else _kept(home, settings, photo_id, path)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def send_evidence(path: Path, *, known: str = "") -> Response:
    """A picture that is kept, on which a finding is drawn, as WebP.

    Args:
        path: Where it lies; its name says what it shows, and by which detectors.
        known: The tags of what the browser has of it.
    """
    etag = f'"{path.stem}"'
    headers = {"Cache-Control": _CACHED, "ETag": etag}
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(path.read_bytes(), media_type="image/webp", headers=headers)


def _kept(home: Home, settings: Settings, photo_id: str, path: Path) -> bytes:
    kept = home.thumbnail(photo_id)
    try:
        if data := kept.read_bytes():
            return data
    except FileNotFoundError:
        pass
    jpeg = _made(settings, path, SMALL)
    kept.parent.mkdir(parents=True, exist_ok=True)
    # A cache needs no sync: a thumbnail lost with the power is made again.
    beside = kept.with_name(f".{kept.name}.{os.getpid()}.{threading.get_ident()}")
    beside.write_bytes(jpeg)
    beside.replace(kept)
    return jpeg


def _made(settings: Settings, path: Path, spec: PreviewSpec) -> bytes:
    if not path.is_file():
        raise NotFound(f"The photo {path.name!r} is no longer where it was.")
    with _AT_ONCE:
        picture = decode(path, max_pixels=settings.max_pixels, max_file_bytes=settings.max_file_bytes)
        return preview(picture, spec).jpeg
