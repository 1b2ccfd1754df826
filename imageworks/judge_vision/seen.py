"""What detectors saw in an entry's picture and file, as findings.

A detector that is sure leads to what the rules say; one that is not leads to a query, never further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks.judge_vision.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition, Leads
    from photos.borders import Borders
    from photos.likeness import Alike
    from photos.monochrome import Monochrome
    from photos.provenance import Provenance

SURE = 0.85
"""Confidence from which a finding may lead to more than a query."""

_MONO = ("mono", "monochrome")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one photo."""

    borders: Borders
    monochrome: Monochrome
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class AlikePhotos:
    """Two photos of a batch that show the same."""

    first: str
    second: str
    alike: Alike


def is_mono(category: str, competition: Competition) -> bool:
    """Whether a category takes monochrome pictures alone."""
    named = competition.rules.mono_categories or _MONO
    return category.casefold() in {name.casefold() for name in named}


def picture_findings(seen: Seen, category: str, competition: Competition) -> Iterable[Finding]:
    """The findings about one entry by itself."""
    rules = competition.rules
    if rules.on_borders != "pass" and seen.borders.kind != "none":
        yield _borders(seen.borders, rules.on_borders)
    if rules.on_color_in_mono != "pass" and is_mono(category, competition) and not seen.monochrome.eligible:
        yield _color(seen.monochrome, rules.on_color_in_mono)
    if rules.on_ai_metadata != "pass" and seen.provenance.kind != "none":
        yield _provenance(seen.provenance, rules.on_ai_metadata)


def _leads_to(wanted: Leads, confidence: float, *, sure: bool = True) -> Leads:
    return wanted if sure and confidence >= SURE else "query"


def _finding(
    rule: str, verdict: Leads, *, message: str, measured: str, allowed: str, confidence: float
) -> Finding:
    assert verdict != "pass"  # noqa: S101 - what leads to nothing is no finding
    return Finding(
        rule=rule, verdict=verdict, message=message, measured=measured, allowed=allowed, confidence=confidence
    )


def _borders(found: Borders, wanted: Leads) -> Finding:
    sides = ("top", "right", "bottom", "left")
    measured = ", ".join(
        f"{side} {width} px" for side, width in zip(sides, found.widths, strict=True) if width
    )
    words = {
        "stroke": "The picture has a thin line around it.",
        "frame": "The picture has a border around it.",
        "mat": "The picture has a wide border around it, as a mat.",
        "bars": "The picture has bars on two sides.",
    }
    message = words.get(
        found.kind,
        "The picture may have a border on some of its sides; a wall or a horizon can look the same.",
    )
    verdict = _leads_to(wanted, found.confidence, sure=found.kind != "possible")
    return _finding(
        "borders",
        verdict,
        message=message,
        measured=measured,
        allowed="no border",
        confidence=found.confidence,
    )


def _color(found: Monochrome, wanted: Leads) -> Finding:
    share = f"color in {found.color_share:.1%} of the picture"
    words = {
        "split": (
            "It is toned in two hues; monochrome has one tint at most.",
            f"{found.hue_spread:.0f}° between hues",
        ),
        "partial": ("A part of the picture keeps its color; monochrome has none.", share),
        "color": ("The picture is in color; its category is for monochrome.", share),
    }
    message, measured = words.get(
        found.kind, ("It may hold more than one tint: look whether it is monochrome.", share)
    )
    verdict = _leads_to(wanted, found.confidence, sure=found.kind != "unsure")
    return _finding(
        "mono",
        verdict,
        message=message,
        measured=measured,
        allowed="one tint at most",
        confidence=found.confidence,
    )


def _provenance(found: Provenance, wanted: Leads) -> Finding:
    message = (
        "The file's metadata say that the picture was made by a generator."
        if found.kind == "generated"
        else "The file's metadata say that parts of the picture were made by a generator."
    )
    verdict = _leads_to(wanted, found.confidence, sure=found.kind == "generated")
    return _finding(
        "ai_metadata",
        verdict,
        message=message,
        measured=found.says,
        allowed="no generated picture",
        confidence=found.confidence,
    )


def likeness_findings(
    alike: Sequence[AlikePhotos], named: Mapping[str, Sequence[tuple[str, str]]], wanted: Leads
) -> Iterable[tuple[str, Finding]]:
    """Findings about pairs of entries, by entry id.

    Args:
        alike: Pairs of photo ids.
        named: Entry id and file name of a photo's entries, by photo id.
        wanted: What one picture under two files leads to, for the later of the two by entry id.
    """
    if wanted == "pass":
        return
    for pair in alike:
        same = pair.alike.kind == "same"
        first, second = sorted(min(named[photo_id]) for photo_id in (pair.first, pair.second))
        whose: tuple[tuple[tuple[str, str], tuple[str, str], Leads], ...] = (
            (first, second, "query"),
            (second, first, wanted),
        )
        for (entry_id, _), (_, other), verdict in whose:
            quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{other}\N{RIGHT DOUBLE QUOTATION MARK}"
            message = (
                f"It is the same picture as {quoted}, edited or saved anew."
                if same
                else f"It shows the same scene as {quoted}, as another frame of a burst does."
            )
            found = _finding(
                "near_duplicate",
                _leads_to(verdict, pair.alike.confidence, sure=same),
                message=message,
                measured=f"{pair.alike.overlap:.0%} in common",
                allowed="1 entry",
                confidence=pair.alike.confidence,
            )
            yield entry_id, found
