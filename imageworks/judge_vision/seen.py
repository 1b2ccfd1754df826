"""What detectors saw in an entry's picture and file, as findings.

A detector that is sure leads to what the rules say; one that is not leads to a query, never further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imageworks.counting import counted
from imageworks.judge_vision.findings import SURE, Finding, evidence_name
from photos.overlay_text import NO_TEXT, OverlayText

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition, Leads
    from photos.borders import Borders
    from photos.likeness import Alike
    from photos.monochrome import Monochrome
    from photos.provenance import Provenance

TEXT_UNKNOWN: Final = "Text could not be looked for"
"""How the finding about an entry begins whose text nobody could read."""

_MONO = ("mono", "monochrome")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in one photo.

    Attributes:
        borders: Its borders.
        monochrome: How it is colored.
        provenance: What its file says of a generator.
        text: Text that was laid over it.
        text_unknown: Why text could not be looked for; empty where it was.
    """

    borders: Borders
    monochrome: Monochrome
    provenance: Provenance
    text: OverlayText = NO_TEXT
    text_unknown: str = ""


@dataclass(frozen=True, slots=True)
class AlikePhotos:
    """Two photos of a batch that show the same."""

    first: str
    second: str
    alike: Alike


@dataclass(frozen=True, slots=True)
class Reused:
    """A photo that shows what an entry of an earlier round does.

    Attributes:
        photo_id: The photo of now.
        earlier_id: The earlier photo; the same id where the pictures are equal.
        entry_id: The earlier entry.
        file_name: Its file.
        batch: Its round.
        kind: `equal`, the same picture data; `same`, one picture edited or saved anew; `frame`, another frame.
        confidence: 0-1, that this kind is right.
    """

    photo_id: str
    earlier_id: str
    entry_id: str
    file_name: str
    batch: str
    kind: Literal["equal", "same", "frame"]
    confidence: float


def is_mono(category: str, competition: Competition) -> bool:
    """Whether a category takes monochrome pictures alone."""
    named = competition.rules.mono_categories or _MONO
    return category.casefold() in {name.casefold() for name in named}


def picture_findings(
    seen: Seen, category: str, competition: Competition, *, photo_id: str
) -> Iterable[Finding]:
    """The findings about one entry by itself."""
    rules = competition.rules
    if rules.on_borders != "pass" and seen.borders.kind != "none":
        yield _borders(seen.borders, rules.on_borders, photo_id)
    if rules.on_color_in_mono != "pass" and is_mono(category, competition) and not seen.monochrome.eligible:
        yield _color(seen.monochrome, rules.on_color_in_mono, photo_id)
    if rules.on_text != "pass" and not rules.watermark_allowed:
        if seen.text_unknown:
            yield _text_unknown(seen.text_unknown)
        elif seen.text.kind != "none":
            yield _text(seen.text, rules.on_text, photo_id)
    if rules.on_ai_metadata != "pass" and seen.provenance.kind != "none":
        yield _provenance(seen.provenance, rules.on_ai_metadata)


def _leads_to(wanted: Leads, confidence: float, *, sure: bool = True) -> Leads:
    return wanted if sure and confidence >= SURE else "query"


def _finding(
    rule: str,
    verdict: Leads,
    *,
    message: str,
    measured: str,
    allowed: str,
    confidence: float,
    evidence: str | None = None,
) -> Finding:
    assert verdict != "pass"  # noqa: S101 - what leads to nothing is no finding
    return Finding(
        rule=rule,
        verdict=verdict,
        message=message,
        measured=measured,
        allowed=allowed,
        confidence=confidence,
        evidence=evidence,
    )


def _borders(found: Borders, wanted: Leads, photo_id: str) -> Finding:
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
        evidence=evidence_name("borders", photo_id),
    )


def _color(found: Monochrome, wanted: Leads, photo_id: str) -> Finding:
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
        evidence=evidence_name("mono", photo_id),
    )


def _text(found: OverlayText, wanted: Leads, photo_id: str) -> Finding:
    quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{found.words}\N{RIGHT DOUBLE QUOTATION MARK}"
    left, top, right, bottom = found.box or (0.0, 0.0, 1.0, 1.0)
    unread = " It was not read: tesseract is not installed." if found.reader == "shapes" else ""
    return _finding(
        "text",
        _leads_to(wanted, found.confidence),
        message=f"Text was laid over the picture{f': {quoted}' if found.words else ''}.{unread}",
        measured=f"{left:.0%} to {right:.0%} from the left, {top:.0%} to {bottom:.0%} from the top",
        allowed="no text",
        confidence=found.confidence,
        evidence=evidence_name("text", photo_id),
    )


def _text_unknown(why: str) -> Finding:
    return Finding(
        rule="text",
        verdict="query",
        message=f"{TEXT_UNKNOWN}: {why.rstrip('.')}.",
        measured="not looked for",
        allowed="no text",
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
    alike: Sequence[AlikePhotos],
    named: Mapping[str, Sequence[tuple[str, str]]],
    wanted: Leads,
    *,
    failing: Collection[str] = (),
) -> Iterable[tuple[str, Finding]]:
    """Findings about pairs of entries, by entry id.

    Args:
        alike: Pairs of photo ids.
        named: Entry id and file name of a photo's entries, by photo id.
        wanted: What one picture under two files leads to, for the later of the two by entry id.
        failing: Entries that break another rule: of two it is theirs, so that the one that may stay in does.
    """
    if wanted == "pass":
        return

    def order(entry: tuple[str, str]) -> tuple[bool, str]:
        return entry[0] in failing, entry[0]

    for pair in alike:
        same = pair.alike.kind == "same"
        first, second = sorted((min(named[each], key=order) for each in (pair.first, pair.second)), key=order)
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
                evidence=evidence_name("near_duplicate", pair.first, pair.second),
            )
            yield entry_id, found


def reuse_findings(
    reused: Sequence[Reused], named: Mapping[str, Sequence[tuple[str, str]]], wanted: Leads
) -> Iterable[tuple[str, Finding]]:
    """Findings about entries whose picture took part in an earlier round, one an entry, by entry id.

    Args:
        reused: What was found, the most telling first of each photo.
        named: Entry id and file name of a photo's entries, by photo id.
        wanted: What the same picture leads to; another frame of its scene asks a person.
    """
    if wanted == "pass":
        return
    by_photo: dict[str, list[Reused]] = {}
    for one in reused:
        by_photo.setdefault(one.photo_id, []).append(one)
    for photo_id, found in by_photo.items():
        first, more = found[0], len(found) - 1
        quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{first.file_name}\N{RIGHT DOUBLE QUOTATION MARK}"
        where = f"{quoted} in the round {first.batch}"
        words = {
            "equal": f"The same picture took part before, as {where}.",
            "same": f"The same picture, edited or saved anew, took part before, as {where}.",
            "frame": f"It shows the same scene as {where}, as another frame of a burst does.",
        }
        also = (
            f" It is also like {counted(more, 'more entry', 'more entries')} of earlier rounds."
            if more
            else ""
        )
        for entry_id, _ in named.get(photo_id, ()):
            yield (
                entry_id,
                _finding(
                    "reuse",
                    _leads_to(wanted, first.confidence, sure=first.kind != "frame"),
                    message=words[first.kind] + also,
                    measured=first.entry_id,
                    allowed="no entry of an earlier round",
                    confidence=first.confidence,
                    evidence=None
                    if first.kind == "equal"
                    else evidence_name("reuse", photo_id, first.earlier_id),
                ),
            )
