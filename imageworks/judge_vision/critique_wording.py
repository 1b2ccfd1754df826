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
    "stunning",
    "leads the eye",
    "draws the viewer in",
    "draws the viewer's eye",
    "takes the viewer on a journey",
    "a visual journey",
    "perfectly captures",
    "masterfully",
    "one can almost",
)

_STOCK: Final = tuple((phrase, re.compile(rf"\b{re.escape(phrase)}\b")) for phrase in STOCK)

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
        re.compile(r"\b(?:under-?exposed|(?:far )?too dark\b)"),
        "it is bright",
        lambda value: value["luma_mean"] >= bands.EXPOSURE[2].below,
    ),
    (
        re.compile(
            r"\b(?:(?:tack|pin|razor)[- ]sharp|(?:sharp|crisp|in focus) "
            r"(?:throughout|all over|from (?:front to back|edge to edge|corner to corner))|perfect(?:ly)? "
            r"(?:sharp|focus(?:ed)?|in focus))"
        ),
        "nothing in it is sharp",
        lambda value: value["sharpness"] < bands.SHARPNESS[0].below,
    ),
    (
        re.compile(
            r"\b(?:(?:entirely|wholly|completely) (?:blurred|out of focus)|nothing (?:in it )?is (?:sharp|in focus)"
            r"|(?:blurred|soft|out of focus) throughout)"
        ),
        "much of it is very crisp",
        lambda value: (
            value["sharpness"] >= bands.SHARPNESS[3].below and value["noise"] < bands.NOISE[1].below
        ),
    ),
    (
        re.compile(r"\b(?:blocked(?:[- ]up)?|crushed|plugged) (?:shadows?|blacks?)"),
        "hardly any shadows are clipped, and it is not dark",
        lambda value: (
            value["clipped_shadows"] < bands.CLIPPING[0].below
            and value["luma_mean"] >= bands.EXPOSURE[1].below
        ),
    ),
    (
        re.compile(
            r"\b(?:high|strong|harsh|stark|punchy)[- ]contrast|\bcontrast is (?:high|strong|harsh|stark)"
        ),
        "its contrast is flat",
        lambda value: value["contrast"] < bands.CONTRAST[0].below,
    ),
    (
        re.compile(r"\b(?:low|flat|little|weak)[- ]contrast|\bcontrast is (?:low|flat|weak)"),
        "its contrast is harsh",
        lambda value: value["contrast"] >= bands.CONTRAST[3].below,
    ),
    (
        re.compile(
            r"\b(?:(?:very|heavily|distractingly) noisy|(?:heavy|obtrusive|visible|distracting) noise)\b"
        ),
        "it is clean of noise",
        lambda value: value["noise"] < bands.NOISE[0].below,
    ),
    (
        re.compile(r"\b(?:heavy|visible|obvious) (?:jpeg|compression) (?:artefacts?|artifacts?|blocks?)"),
        "no edges of blocks are there",
        lambda value: value["blockiness"] < bands.BLOCKINESS[0].below,
    ),
    (
        re.compile(r"\b(?:vivid|vibrant|saturated|rich) colou?rs?"),
        "it is monochrome",
        bands.is_monochrome,
    ),
    (
        re.compile(r"\b(?:monochrome|black[- ]and[- ]white|colou?rless)\b"),
        "its color is vivid",
        lambda value: value["colorfulness"] >= bands.COLOR[2].below,
    ),
    (
        re.compile(r"\b(?:noise-free|free (?:of|from) noise|clean of noise)\b"),
        "its noise is very high",
        lambda value: value["noise"] >= bands.NOISE[3].below,
    ),
)


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def stock_phrases(text: str) -> tuple[str, ...]:
    """The stock phrases in a text, in their order here."""
    plain = _plain(text)
    # Nearly all are nowhere in it, which is seen much faster than where a word begins.
    return tuple(phrase for phrase, pattern in _STOCK if phrase in plain and pattern.search(plain))


def contradictions(text: str, signals: Mapping[str, object]) -> tuple[str, ...]:
    """What a text claims against the measured signals: each claim in its words, and what was measured instead.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    value = rounded_signals(signals)
    plain = _plain(text)
    return tuple(
        f"{claim.group()!r}, but {measured}"
        for pattern, measured, contradicts in _CLAIMS
        if contradicts(value)
        for claim in pattern.finditer(plain)
        if not _DENIED.search(plain[: claim.start()].rpartition(".")[2])
    )
