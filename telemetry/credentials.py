"""Credentials in URLs: how to leave them out, and how to find those that somebody wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

_CREDENTIALS: Final = re.compile(r"://[^/\s@\"']*:[^/\s@\"']+@")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def without_credentials(url: str) -> str:
    """`url` without user, password, query and fragment: all the places where a secret may stand."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def with_clean_urls(value: Any) -> Any:
    """A JSON value, with every text in it that is a URL without its credentials."""
    if isinstance(value, str):
        return without_credentials(value) if _URL.fullmatch(value) else value
    if isinstance(value, Mapping):
        return {key: with_clean_urls(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_clean_urls(item) for item in value]
    return value


def has_password(value: Any) -> bool:
    """Whether a text in a JSON value holds a URL with a password."""
    if isinstance(value, str):
        return _CREDENTIALS.search(value) is not None
    if isinstance(value, Mapping):
        return any(map(has_password, value.values()))
    return isinstance(value, list | tuple) and any(map(has_password, value))
