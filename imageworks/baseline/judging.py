"""A judge by rule: critiques and comparisons from measured signals, in words that claim no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imageworks import signal_bands as bands
from imageworks.baseline.facets import Facets, facets
from imageworks.judge_vision.critiquing import MOST_WORDS
from imageworks.signal_bands import word_for
from imageworks.signal_words import percent, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAW_MARGIN: Final = 0.25
"""Marks: two photos whose scores differ by less are called a draw; rounding a mark loses as much."""


_NAMES: Final = {
    "contrast": "contrast",
    "color": "color",
    "detail": "the amount of detail",
    "exposure": "overall brightness",
    "tones": "the range of tones",
    "sharpness": "sharpness",
    "clipping": "clipping",
    "noise": "noise",
    "blocks": "compression",
}
"""Facets in words, those that people notice first before the others."""

_GAINS: Final = ("contrast", "color", "detail", "exposure", "tones", "sharpness")
"""What a photo can gain by; of noise, clipping and compression it can only be free."""

NOTHING_WEAK: Final = 0.9
"""From this quality on, a facet costs no whole mark."""


def critique(variables: Mapping[str, object]) -> dict[str, Any]:
    """Marks, a critique of 110 to 150 words and one improvement, as profile stage `critique` asks for them.

    The title is not read: a photo's marks depend on its measured signals and its format alone.

    Args:
        variables: `signals`, `width`, `height`; see `critiquing.critique_facts`.

    Raises:
        SignalsMissing: The photo was not measured.
    """
    measured = facets(variables)
    impact, composition, technique, score = measured.marks()
    return {
        "impact": impact,
        "composition": composition,
        "technique": technique,
        "score": score,
        "critique": _critique_text(measured),
        "improvement": _improvement(measured),
    }


def compare(variables: Mapping[str, object]) -> dict[str, Any]:
    """Which of two photos measures better, as profile stage `pairwise` asks for it.

    Args:
        variables: `signals_a`, `width_a`, `height_a` for the photo shown first, with `_b` for the second.

    Raises:
        SignalsMissing: One of them was not measured.
    """
    first, second = facets(variables, suffix="_a"), facets(variables, suffix="_b")
    lead = first.exact_score() - second.exact_score()
    if abs(lead) < DRAW_MARGIN:
        reason = "Baseline by rule: the measured signals of the two differ by too little to prefer one."
        return {"winner": "draw", "reason": reason}
    better, worse = (first, second) if lead > 0 else (second, first)
    shared = sorted(set(better.quality) & set(worse.quality))
    strongest = max(shared, key=lambda name: better.quality[name] - worse.quality[name])
    which = "first" if lead > 0 else "second"
    reason = (
        f"Baseline by rule: the {which} photo measures {abs(lead):.1f} marks better, "
        f"most of all in {_NAMES[strongest]}. What either photo shows was not considered."
    )
    return {"winner": which, "reason": reason}


def _critique_text(measured: Facets) -> str:
    told = [
        "This is a baseline critique, made by rule from measurements: it does not see what is shown.",
        _exposure(measured),
        _clipping(measured),
        _contrast_and_color(measured),
        _detail(measured),
        _composition(measured),
        _balance(measured),
    ]
    spare = [
        "Impact counts for half of the score, composition for two fifths and technique for a tenth.",
        "A model or a person who looks at the photo may well come to another view.",
    ]
    words = sum(len(sentence.split()) for sentence in told)
    for sentence in spare:
        length = len(sentence.split())
        if words + length <= MOST_WORDS:
            told.append(sentence)
            words += length
    return " ".join(told)


def _exposure(measured: Facets) -> str:
    value = measured.signals
    return (
        f"Overall the frame is {word_for(value['luma_mean'], bands.EXPOSURE)}, with a mean brightness of "
        f"{plain(value['luma_mean'])} out of 255, and nearly all tones lie between {plain(value['luma_p1'])} "
        f"and {plain(value['luma_p99'])}."
    )


def _clipping(measured: Facets) -> str:
    shadows, highlights = measured.signals["clipped_shadows"], measured.signals["clipped_highlights"]
    least = bands.CLIPPING[0].below
    if shadows < least and highlights < least:
        return "Neither shadows nor highlights are clipped to any extent."
    if highlights < least:
        return f"Shadows are clipped to black in {_share(shadows)} of it, while the highlights hold."
    if shadows < least:
        return f"Highlights are clipped to white in {_share(highlights)} of it, while the shadows hold."
    return f"Shadows are clipped in {_share(shadows)} and highlights in {_share(highlights)} of it."


def _share(share: float) -> str:
    # Without a space: "12 %" would count as two words of the critique.
    return percent(share).replace(" ", "")


def _contrast_and_color(measured: Facets) -> str:
    value = measured.signals
    contrast = f"Contrast is {word_for(value['contrast'], bands.CONTRAST)} ({plain(value['contrast'])})"
    if measured.monochrome:
        return f"{contrast}, and the photo measures as monochrome, so color neither adds nor costs anything."
    color = word_for(value["colorfulness"], bands.COLOR)
    told = {"none": "hardly any color is there"}.get(color, f"the color is {color}")
    return f"{contrast}, and {told} (colorfulness {plain(value['colorfulness'])})."


def _detail(measured: Facets) -> str:
    value = measured.signals
    sharpness = word_for(value["sharpness"], bands.SHARPNESS)
    noise = word_for(value["noise"], bands.NOISE)
    grain = {"clean": "noise is next to nothing"}.get(noise, f"noise or fine texture is {noise}")
    blocks = word_for(value["blockiness"], bands.BLOCKINESS)
    if measured.noise_hides_sharpness:
        measure = f"Sharpness cannot be told apart from noise (it reads {plain(value['sharpness'])})"
    else:
        measure = f"Detail measures as {sharpness} (sharpness {plain(value['sharpness'])})"
    if blocks == "none":
        return f"{measure}, and {grain}."
    return f"{measure}, {grain}, and JPEG block edges are {blocks}."


def _composition(measured: Facets) -> str:
    value = measured.signals
    share = _share(value["edge_density"])
    busy = word_for(value["edge_density"], bands.DETAIL)
    shape = f" and the {measured.format_word} format" if measured.format_word else ""
    return (
        "Composition cannot be measured this way; its mark only stands on brightness, on how much of the "
        f"frame carries edges ({share}, {busy}){shape}."
    )


def _balance(measured: Facets) -> str:
    worst = _weakest(measured)
    gains = (name for name in _GAINS if name in measured.quality)
    best = _NAMES[max(gains, key=measured.quality.__getitem__)]
    if worst is None:
        return f"By these figures nothing is weak, and the marks gain most on {best}."
    return f"By these figures the marks gain most on {best} and lose most on {_NAMES[worst]}."


def _weakest(measured: Facets) -> str | None:
    worst = min((name for name in _NAMES if name in measured.quality), key=measured.quality.__getitem__)
    return worst if measured.quality[worst] < NOTHING_WEAK else None


def _improvement(measured: Facets) -> str:
    """One piece of advice, about the facet that measures worst."""
    value = measured.signals
    worst = _weakest(measured)
    if worst is None:
        return "Nothing measures as weak: ask a person or a vision model about the light."
    clipped = "highlights" if value["clipped_highlights"] > value["clipped_shadows"] else "shadows"
    advice = {
        "sharpness": "Make the photo sharper: a faster shutter, a support, or more careful focusing.",
        "noise": "Bring the noise down: a lower ISO with more light, or noise reduction in smooth areas.",
        "clipping": f"Bring detail back into the {clipped}: expose for them, or recover them.",
        "blocks": "Export the JPEG again from the original at a higher quality: compression blocks show.",
        "contrast": (
            "Raise the contrast a little with levels or a curve; the tones lie close together."
            if value["contrast"] < bands.CONTRAST[2].below
            else "Soften the contrast with a gentler curve, so that middle tones come back."
        ),
        "tones": "Set the black and white points: the tones do not use the range that is there.",
        "color": (
            "Give the color more life, or commit to a monochrome; as it is, it lies between the two."
            if value["colorfulness"] < bands.COLOR[3].below
            else "Take some saturation back, so that the colors do not outshout one another."
        ),
        "exposure": (
            "Lighten the photo: its overall brightness is low."
            if value["luma_mean"] < bands.EXPOSURE[1].below
            else "Darken the photo: its overall brightness is high."
        ),
        "detail": (
            "Come closer or crop: little of the frame carries detail."
            if value["edge_density"] < bands.DETAIL[2].below
            else "Simplify the frame: busy detail covers so much of it that the eye finds no rest."
        ),
    }
    return advice[worst]
