"""Regular expressions by RE2: the time to match grows with the text and no faster, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

MAX_PATTERN_CHARACTERS: Final = 1000

_MAX_MEMORY: Final = 4 * 1024 * 1024


@lru_cache(maxsize=256)
def pattern_of(text: str) -> Any:
    """The compiled pattern.

    Raises:
        ValueError: It is none that RE2 knows, or too large.
    """
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise ValueError(f"is longer than {MAX_PATTERN_CHARACTERS} characters, the limit of a pattern")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(
            f"is no regular expression of RE2, which has no lookaround or backreferences: {_words(error)}"
        ) from error


def found(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text; ``^`` and ``$`` are the whole text's without ``(?m)``."""
    # A lone surrogate is no character that a pattern could mean.
    return pattern_of(pattern).search(text.encode("utf-8", "replace").decode("utf-8")) is not None


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
