"""Keys of servers: read from the environment, and kept out of what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MASK: Final = "********"


class UnusableKey(ValueError):
    """A variable holds no key; the message begins with its name, and never shows its value."""


def read_key(variable: str, environ: Mapping[str, str]) -> str:
    """The key that an environment variable holds, without space around it; printable ASCII.

    Raises:
        UnusableKey: It is not set, blank, or holds what no header can carry.
    """
    key = environ.get(variable, "").strip()
    if not key:
        raise UnusableKey(f"{variable}, which is not set")
    if not (key.isascii() and key.isprintable()):
        raise UnusableKey(f"{variable}, which holds characters that no key has")
    return key


def masked(text: str, key: str | None) -> str:
    """A text that a server may have put our key into, without it."""
    return text.replace(key, _MASK) if key else text
