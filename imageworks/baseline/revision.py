"""Which code the baselines are: a digest of every source file that an answer depends on."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

SOURCES: Final = (
    "baseline/facets.py",
    "baseline/functions.py",
    "baseline/judging.py",
    "baseline/tagging.py",
    "judge_vision/critiquing.py",
    "signal_bands.py",
    "signal_words.py",
)
"""Relative to the package; a test holds that the baselines import no other module of ours that computes."""


@cache
def code_digest() -> str:
    """SHA-256 over the names and texts of `SOURCES`, with line ends made equal, as 64 hex digits."""
    digest = hashlib.sha256()
    package = files("imageworks")
    for name in SOURCES:
        text = package.joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n").encode("utf-8")
        digest.update(f"{name}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()
