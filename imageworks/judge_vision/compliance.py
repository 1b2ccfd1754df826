"""Whether an entry's file keeps the rules, as far as that can be decided exactly.

A finding is `fail` when a number or a name breaks a rule, and `query` when a person has to look:
nothing here guesses. Borders, editing and watermarks cannot be measured exactly, so they are no findings;
the judge is told of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from imageworks.judge_vision.naming import name_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imageworks.judge_vision.competition import Competition

Verdict = Literal["pass", "query", "fail"]

_SEVERITY: dict[Verdict, int] = {"pass": 0, "query": 1, "fail": 2}

_EXTENSION_FORMATS = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "jpeg": "jpeg",
    "jfif": "jpeg",
    "png": "png",
    "webp": "webp",
    "tif": "tiff",
    "tiff": "tiff",
    "dng": "dng",
    "gif": "gif",
    "bmp": "bmp",
    "heic": "heic",
    "heif": "heic",
    "hif": "heic",
    "avif": "avif",
    "jxl": "jxl",
    "psd": "psd",
}

_UNREADABLE = {
    "empty_file": "The file is empty.",
    "truncated": "The file is cut off: part of the picture is missing.",
    "not_a_picture": "The file is not a picture, whatever its name says.",
    "damaged": "The file is damaged: its picture cannot be rebuilt.",
    "too_many_pixels": "The picture has more pixels than this system opens.",
    "file_too_large": "The file is larger than this system opens.",
    "unreadable": "The file cannot be read: check its permissions.",
    "unsupported_format": "Pictures of this format are not read here.",
    "raw_without_preview": "The raw file holds no preview to judge.",
}


class EntryFacts(BaseModel):
    """What is known about an entry's file before anybody looks at the picture.

    `width` and `height` are as the photo is seen, after its orientation. All that could not be read is None.
    """

    model_config = ConfigDict(frozen=True)

    entry_id: str
    file_name: str = Field(description="Relative path or name, as text.")
    format: str | None = None
    width: int | None = None
    height: int | None = None
    file_size: int | None = Field(None, description="Bytes.")
    color_space: str | None = None
    photo_id: str | None = None
    file_sha256: str | None = None
    error_class: str | None = None


class Finding(BaseModel):
    """One rule that an entry breaks or may break."""

    model_config = ConfigDict(frozen=True)

    rule: str
    verdict: Literal["query", "fail"]
    message: str = Field(description="Plain words, a sentence or two.")
    measured: str = ""
    allowed: str = ""


class Compliance(BaseModel):
    """All findings about one entry; the verdict is that of the worst."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def _judged(entry_id: str, findings: Iterable[Finding]) -> Compliance:
    found = tuple(findings)
    verdict = max((finding.verdict for finding in found), key=_SEVERITY.__getitem__, default="pass")
    return Compliance(entry_id=entry_id, verdict=verdict, findings=found)


def check(facts: EntryFacts, competition: Competition) -> Compliance:
    """Check one entry by itself; `check_all` also compares entries with one another."""
    return _judged(facts.entry_id, _findings(facts, competition))


def check_all(entries: Sequence[EntryFacts], competition: Competition) -> tuple[Compliance, ...]:
    """Check every entry, with duplicates and the number of entries of an author.

    Returns:
        One compliance an entry, in the order given. Of equal pictures the first by `entry_id` stays in, with
        a query; the others fail.
    """
    across = _duplicates(entries)
    for entry_id, finding in _over_quota(entries, competition):
        across[entry_id].append(finding)
    return tuple(
        _judged(facts.entry_id, [*_findings(facts, competition), *across.get(facts.entry_id, ())])
        for facts in entries
    )


def _findings(facts: EntryFacts, competition: Competition) -> list[Finding]:
    if facts.error_class is not None:
        message = _UNREADABLE.get(facts.error_class, "The picture cannot be opened.")
        found = [Finding(rule="readable", verdict="fail", message=message, measured=facts.error_class)]
    else:
        found = [*_size(facts, competition), *_color_space(facts, competition), *_format(facts, competition)]
    return [*found, *_file_size(facts, competition), *_name(facts, competition)]


def _size(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    rules = competition.rules
    if facts.width is None or facts.height is None:
        return
    measured = f"{facts.width} \N{MULTIPLICATION SIGN} {facts.height} px"
    sides = (
        ("width", "wide", facts.width, rules.min_width, rules.max_width),
        ("height", "high", facts.height, rules.min_height, rules.max_height),
    )
    for side, adjective, pixels, least, most in sides:
        if most is not None and pixels > most:
            yield Finding(
                rule=f"max_{side}",
                verdict="fail",
                message=f"The picture is {pixels} pixels {adjective}; at most {most} are allowed.",
                measured=measured,
                allowed=f"≤ {most} px {adjective}",
            )
        if least is not None and pixels < least:
            yield Finding(
                rule=f"min_{side}",
                verdict="fail",
                message=f"The picture is {pixels} pixels {adjective}; at least {least} are needed.",
                measured=measured,
                allowed=f"≥ {least} px {adjective}",
            )


def _file_size(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    most = competition.rules.max_bytes
    if most is not None and facts.file_size is not None and facts.file_size > most:
        yield Finding(
            rule="max_bytes",
            verdict="fail",
            message=f"The file has {byte_words(facts.file_size)}; at most {byte_words(most)} are allowed.",
            measured=f"{facts.file_size} bytes",
            allowed=f"≤ {most} bytes",
        )


def byte_words(count: int) -> str:
    """A number of bytes as people say it, in decimal units: `940 kB`, `2.1 MB`."""
    if count < 1000:  # noqa: PLR2004 - decimal units, as file managers show them
        return f"{count} bytes"
    if count < 999_500:  # noqa: PLR2004 - rounds to 1000 kB above
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.2f} MB".replace(".00", "")


def same_color_space(one: str, other: str) -> bool:
    """Whether two names mean one color space: `sRGB IEC61966-2.1` is sRGB, and so on."""
    return _color_space_key(one) == _color_space_key(other)


def _color_space_key(name: str) -> str:
    letters = "".join(char for char in name.casefold() if char.isalnum())
    for known in ("srgb", "adobergb", "displayp3", "prophotorgb"):
        if letters.startswith(known):
            return known
    return letters


def _color_space(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    wanted = competition.rules.color_space
    if not wanted:
        return
    found = facts.color_space or "unknown"
    if found == "unknown":
        yield Finding(
            rule="color_space",
            verdict="query",
            message=f"The file does not say its color space; {wanted} is asked for and was assumed.",
            measured="unknown",
            allowed=wanted,
        )
    elif found == "Gray":
        yield Finding(
            rule="color_space",
            verdict="query",
            message=f"The file is greyscale and holds no colors to be in {wanted}; see how it is projected.",
            measured=found,
            allowed=wanted,
        )
    elif not same_color_space(found, wanted):
        yield Finding(
            rule="color_space",
            verdict="fail",
            message=f"The file is in {found}; {wanted} is asked for. Convert it and hand it in again.",
            measured=found,
            allowed=wanted,
        )


def _format_key(name: str) -> str:
    key = name.casefold().lstrip(".")
    return _EXTENSION_FORMATS.get(key, key)


def _format(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    if facts.format is None:
        return
    found = _format_key(facts.format)
    formats = competition.rules.formats
    if formats and found not in {_format_key(name) for name in formats}:
        yield Finding(
            rule="formats",
            verdict="fail",
            message=f"The file is a {facts.format.upper()}; {' or '.join(formats)} is asked for.",
            measured=facts.format.upper(),
            allowed=", ".join(formats),
        )
    extension = PurePosixPath(facts.file_name).suffix.lstrip(".").casefold()
    expected = _EXTENSION_FORMATS.get(extension)
    if expected is not None and found not in {expected, "unknown"}:
        yield Finding(
            rule="extension",
            verdict="query",
            message=f"The name ends in .{extension}, but the file is a {facts.format.upper()}.",
            measured=facts.format.upper(),
            allowed=expected.upper(),
        )


def _name(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    naming = competition.rules.naming
    if naming and not name_parts(facts.file_name, competition).exact:
        # The name itself is not repeated: it may hold the author's, and judging is blind.
        yield Finding(
            rule="naming",
            verdict="fail",
            message=f"The file is not named as the rules ask: {naming}.",
            measured="another form",
            allowed=naming,
        )


def _duplicates(entries: Sequence[EntryFacts]) -> dict[str, list[Finding]]:
    across: dict[str, list[Finding]] = defaultdict(list)
    by_photo: dict[str, list[EntryFacts]] = defaultdict(list)
    for facts in entries:
        if facts.photo_id is not None and facts.error_class != "empty_file":
            by_photo[facts.photo_id].append(facts)
    for same in by_photo.values():
        if len(same) == 1:
            continue
        first, *others = sorted(same, key=lambda facts: facts.entry_id)
        across[first.entry_id].append(
            Finding(
                rule="duplicate",
                verdict="query",
                message=f"The same picture was handed in {_times(len(same))}; this one counts.",
                measured=f"{len(same)} entries",
                allowed="1 entry",
            )
        )
        for other in others:
            same_file = other.file_sha256 is not None and other.file_sha256 == first.file_sha256
            kind = "the same file as" if same_file else "the same picture, with other metadata, as"
            across[other.entry_id].append(
                Finding(
                    rule="duplicate",
                    verdict="fail",
                    message=f"This is {kind} another entry, which counts.",
                    measured=first.entry_id,
                    allowed="1 entry",
                )
            )
    return across


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"  # noqa: PLR2004 - the one English has a word for


def _over_quota(entries: Sequence[EntryFacts], competition: Competition) -> Iterable[tuple[str, Finding]]:
    most = competition.rules.entries_per_author
    if most is None:
        return
    authors = {facts.entry_id: name_parts(facts.file_name, competition).author for facts in entries}
    counts = Counter(author.casefold() for author in authors.values() if author is not None)
    for entry_id, author in authors.items():
        if author is not None and counts[author.casefold()] > most:
            count = counts[author.casefold()]
            yield (
                entry_id,
                Finding(
                    rule="entries_per_author",
                    verdict="query",
                    message=f"Its author handed in {count} entries; {most} are allowed: choose.",
                    measured=f"{count} entries",
                    allowed=f"≤ {most} entries",
                ),
            )
