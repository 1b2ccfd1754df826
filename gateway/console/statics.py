"""The console's own files: one style sheet, two libraries, one script; read once, and sent with a name that changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from gateway.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot.min.css": "text/css; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_ANEW: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the console's."""

    data: bytes
    media_type: str
    digest: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All of them, by name."""
    folder = files("gateway.console").joinpath("static")
    found = {}
    for name, media_type in _TYPES.items():
        data = folder.joinpath(name).read_bytes()
        found[name] = StaticFile(data, media_type, hashlib.sha256(data).hexdigest()[:16])
    return found


def static_url(name: str) -> str:
    """Where a file is; another text, another address."""
    return f"/console/static/{name}?v={static_files()[name].digest}"


async def send_static(request: Request) -> Response:
    """Send a file.

    Raises:
        NotFound: The console has none of this name.
    """
    name = request.path_params["name"]
    file = static_files().get(name)
    if file is None:
        raise NotFound(f"The console has no file {name[:80]!r}.")
    is_this = request.query_params.get("v") == file.digest
    headers = {"Cache-Control": _FOREVER if is_this else _ANEW}
    return Response(file.data, headers=headers, media_type=file.media_type)
