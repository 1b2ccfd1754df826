"""Read what a server said, whatever it said: a part of another kind than promised is a part that is not there."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Final

import orjson

from backends.errors import NotJson

SHOWN: Final = 200
"""Characters of a server's own words that are shown or kept."""

_DECODE: Final = json.JSONDecoder(strict=False).decode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ERROR_BYTES: Final = 4096


def read_json(body: bytes) -> Any:
    """The JSON of a response of status 200.

    Raises:
        NotJson: It is none: cut off, or from something else than a model server.
    """
    # Stricter than servers are, and quick about it.
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    try:
        # A body in UTF-8 with a broken character is still an answer.
        return _DECODE(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        shown = body[:SHOWN].decode("utf-8", "replace")
        raise NotJson(f"The response is not JSON ({error}): {shown!r}.", http_status=200) from error


def error_words(body: bytes) -> str:
    """What an error response says, whichever of the usual shapes it has."""
    text = body[:_ERROR_BYTES].decode("utf-8", "replace")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    for found in (
        part(part(said, "error"), "message"),
        part(said, "error"),
        part(said, "message"),
        part(said, "detail"),
    ):
        if words := string(found):
            text = words
            break
    text = " ".join(text.split()).rstrip(".")
    return text or "no words"


def part(value: Any, name: str) -> Any:
    """A field of an object."""
    return value.get(name) if isinstance(value, dict) else None


def items(value: Any) -> list[Any]:
    """The items of a list."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str | None:
    """A text that can be stored anywhere."""
    if not isinstance(value, str):
        return None
    if _SURROGATE.search(value):
        # A lone one, escaped in the response's JSON, could not be stored anywhere.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def words(value: Any) -> str | None:
    """A short text; a server's words go into events, whose lines have a longest length."""
    text = string(value)
    return None if text is None else short(text)


def short(text: str) -> str:
    """A text cut to what is shown."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def count(value: Any) -> int | None:
    """A whole number that is not negative."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def number(value: Any) -> float | None:
    """A number that is not negative."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and 0 <= value < 1e12 else None  # noqa: PLR2004 - three centuries
