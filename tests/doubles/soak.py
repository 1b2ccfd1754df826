"""How often the tests that try at random, or in great numbers, do so: often under ``--soak``, else less often."""

from __future__ import annotations

FULL = False
"""Whether the counts are the full ones; set once, from the option, before any test is imported."""


def amount(full: int, otherwise: int) -> int:
    """The first under ``--soak``, and else the second, at which the test still holds what its name says."""
    return full if FULL else otherwise
