"""When two keywords are one: the only rule for it, whoever compares them."""

from __future__ import annotations

import re
import unicodedata


def keyword_key(keyword: str) -> str:
    """What two spellings of one keyword have in common: case, space, hyphen and underscore are ignored."""
    folded = unicodedata.normalize("NFKC", keyword).casefold()
    return " ".join(re.sub(r"[\s_\-]+", " ", folded).split())
