"""A tagger by rule: captions, keywords and descriptions from measured signals, without a guess at content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imageworks import signal_bands as bands
from imageworks.baseline.facets import Facets, facets
from imageworks.signal_bands import word_for
from imageworks.signal_words import percent, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_KEYWORDS: Final = 20

_HIGH_KEY_MEDIAN: Final = 185
_LOW_KEY_MEDIAN: Final = 60


def caption(variables: Mapping[str, object]) -> dict[str, Any]:
    """One line on how the photo measures, as profile stage `caption` asks for it.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    measured = facets(variables)
    value = measured.signals
    color = "monochrome" if measured.monochrome else f"{_color_word(measured)} color"
    shape = f"{measured.format_word}-format " if measured.format_word else ""
    return {
        "caption": (
            f"{word_for(value['luma_mean'], bands.EXPOSURE).capitalize()} {shape}photo in {color} with "
            f"{word_for(value['contrast'], bands.CONTRAST)} contrast (baseline by rule, content not seen)"
        )
    }


def keywords(variables: Mapping[str, object]) -> dict[str, Any]:
    """What is true by measurement, at most `max_keywords`, as profile stage `keywords` asks for it.

    Args:
        variables: `signals`, `width`, `height`, and perhaps `max_keywords`.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    most = variables.get("max_keywords")
    limit = most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else MOST_KEYWORDS
    return {"keywords": list(_keywords(facets(variables)))[: min(limit, MOST_KEYWORDS)]}


def description(variables: Mapping[str, object]) -> dict[str, Any]:
    """A few sentences on how the photo measures, as profile stage `description` asks for it.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    measured = facets(variables)
    value = measured.signals
    size = f", {measured.width} by {measured.height} pixels" if measured.format_word else ""
    shape = f" in {measured.format_word} format" if measured.format_word else ""
    if measured.monochrome:
        color = "It measures as monochrome."
    else:
        color = f"Its color is {_color_word(measured)} (colorfulness {plain(value['colorfulness'])})."
    clipped = max(value["clipped_shadows"], value["clipped_highlights"])
    clipping = (
        "No tones are clipped to any extent."
        if clipped < bands.CLIPPING[0].below
        else f"Clipped to black is {percent(value['clipped_shadows'])} of it, to white "
        f"{percent(value['clipped_highlights'])}."
    )
    return {
        "description": (
            f"A {word_for(value['luma_mean'], bands.EXPOSURE)} photo{shape}{size}, with "
            f"{word_for(value['contrast'], bands.CONTRAST)} contrast. {color} {clipping} "
            f"Its detail measures as {word_for(value['sharpness'], bands.SHARPNESS)}, its noise as "
            f"{word_for(value['noise'], bands.NOISE)}; edges cover {percent(value['edge_density'])} of it. "
            "This is a baseline description, made by rule from measurements; content was not seen."
        )
    }


def _color_word(measured: Facets) -> str:
    word = word_for(measured.signals["colorfulness"], bands.COLOR)
    return "hardly any" if word == "none" else word


def _keywords(measured: Facets) -> tuple[str, ...]:
    value = measured.signals
    contrast = word_for(value["contrast"], bands.CONTRAST)
    sharpness = word_for(value["sharpness"], bands.SHARPNESS)
    color = word_for(value["colorfulness"], bands.COLOR)
    candidates = {
        "monochrome": measured.monochrome,
        "muted color": not measured.monochrome and color in {"none", "muted"},
        "natural color": not measured.monochrome and color == "natural",
        "vivid color": not measured.monochrome and color in {"vivid", "very vivid"},
        "high key": value["luma_p50"] >= _HIGH_KEY_MEDIAN
        and value["clipped_shadows"] < bands.CLIPPING[2].below,
        "low key": value["luma_p50"] <= _LOW_KEY_MEDIAN
        and value["clipped_highlights"] < bands.CLIPPING[2].below,
        "high contrast": contrast in {"strong", "harsh"},
        "low contrast": contrast in {"flat", "gentle"},
        "landscape format": measured.format_word == "landscape",
        "portrait format": measured.format_word == "portrait",
        "square format": measured.format_word == "square",
        "panoramic format": measured.format_word == "panoramic",
        "fine detail": value["edge_density"] >= bands.DETAIL[2].below
        and sharpness in {"sharp", "very crisp"},
        "plain surfaces": value["edge_density"] < bands.DETAIL[0].below,
        "soft focus": sharpness in {"blurred", "soft"},
        "grainy": value["noise"] >= bands.NOISE[2].below,
    }
    true = tuple(word for word, holds in candidates.items() if holds)
    # The schema asks for one at least, and each photo is brighter or darker than the middle.
    return true or ("mid-toned",)
