"""What a critique says that it should not: stock phrases, and what the measured signals contradict.

Both are for a person to look at, and so name only what is hardly ever meant otherwise: a phrase that says nothing about
this photo, and a claim at the other end of what was measured. A claim that is denied ("no blown highlights") is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imageworks import signal_bands as bands
from imageworks.signal_bands import rounded_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STOCK: Final = (
    "this image shows",
    "this photo shows",
    "this photograph shows",
    "this image captures",
    "this photo captures",
    "this photograph captures",
    "captures the essence",
    "tells a story",
    "a testament to",
    "a feast for the eyes",
    "speaks volumes",
    "transports the viewer",
    "evokes a sense of",
    "breathtaking",
)

_DENIED: Final = re.compile(
    r"\b(?:no|not|never|nor|neither|without|hardly|avoid\w*|isn['\u2019]t)\b(?:\W+\w+){0,3}\W*$"
)

_CLAIMS: Final[tuple[tuple[re.Pattern[str], str, Callable[[Mapping[str, float]], bool]], ...]] = (
    (
        re.compile(r"\b(?:over-?exposed|blown(?:[- ]out)? highlights?|burnt[- ]out highlights?)"),
        "hardly any highlights are clipped, and it is not bright",
        lambda value: (
            value["clipped_highlights"] < bands.CLIPPING[0].below
            and value["luma_mean"] < bands.EXPOSURE[2].below
        ),
    ),
    (
        re.compile(r"\bunder-?exposed"),
        "it is bright",
        lambda value: value["luma_mean"] >= bands.EXPOSURE[2].below,
    ),
    (
        re.compile(r"\b(?:tack|pin|razor)[- ]sharp"),
        "nothing in it is sharp",
        lambda value: value["sharpness"] < bands.SHARPNESS[0].below,
    ),
    (
        re.compile(r"\b(?:vivid|vibrant|saturated|rich) colou?rs?"),
        "it is monochrome",
        bands.is_monochrome,
    ),
    (
        re.compile(r"\b(?:monochrome|black[- ]and[- ]white)\b"),
        "its color is vivid",
        lambda value: value["colorfulness"] >= bands.COLOR[2].below,
    ),
    (
        re.compile(r"\bnoise-free\b"),
        "its noise is very high",
        lambda value: value["noise"] >= bands.NOISE[3].below,
    ),
)


def stock_phrases(text: str) -> tuple[str, ...]:
    """The stock phrases in a text, in their order here."""
    plain = " ".join(text.casefold().split())
    return tuple(phrase for phrase in STOCK if phrase in plain)


def contradictions(text: str, signals: Mapping[str, object]) -> tuple[str, ...]:
    """What a text claims against the measured signals: each claim in its words, and what was measured instead.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    value = rounded_signals(signals)
    plain = " ".join(text.casefold().split())
    return tuple(
        f"{claim.group()!r}, but {measured}"
        for pattern, measured, contradicts in _CLAIMS
        if contradicts(value)
        for claim in pattern.finditer(plain)
        if not _DENIED.search(plain[: claim.start()].rpartition(".")[2])
    )
