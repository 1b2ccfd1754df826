"""Whether an entry's file keeps the rules.

A finding is `fail` when a number or a name breaks a rule, and `query` when a person has to look: nothing in this
module guesses. What detectors saw in the pictures comes from `seen`, with a confidence. Editing is not
detected; the judge is told of it. Findings are for the organizers and name files: no judge reads them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from imageworks.judge_vision.anchors import anchor_mark
from imageworks.judge_vision.findings import Finding
from imageworks.judge_vision.formats import format_key, format_of_name, same_color_space
from imageworks.judge_vision.naming import category_of, name_parts
from imageworks.judge_vision.seen import likeness_findings, picture_findings, reuse_findings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.naming import Doubt
    from imageworks.judge_vision.seen import AlikePhotos, Reused, Seen

Verdict = Literal["pass", "query", "fail"]

_SEVERITY: dict[Verdict, int] = {"pass": 0, "query": 1, "fail": 2}

_DOUBTS: dict[Doubt, str] = {
    "where_to_cut": (
        "Where the author's name begins and ends cannot be told: the text beside it in the rules' pattern is there "
        "more than once. The judge is shown no title."
    ),
    "author_in_title": "The title holds a word of the author's name. The judge is shown no title.",
}

_WHY_IT_COUNTS = "as the first by name of those that keep all other rules"
_NONE_COUNTS = "None of them keeps all other rules."
_MOST_NAMED = 5

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


class Compliance(BaseModel):
    """All findings about one entry, the worst first; the verdict is that of the first."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def _judged(entry_id: str, findings: Iterable[Finding]) -> Compliance:
    found = tuple(sorted(findings, key=lambda finding: -_SEVERITY[finding.verdict]))
    return Compliance(entry_id=entry_id, verdict=found[0].verdict if found else "pass", findings=found)


def unreadable_words(error_class: str) -> str | None:
    """Why a file with this error gives no picture, in words; None for an error that is not about the file."""
    return _UNREADABLE.get(error_class)


def check(facts: EntryFacts, competition: Competition) -> Compliance:
    """Check one entry by itself; `check_all` also compares entries with one another."""
    return _judged(facts.entry_id, _findings(facts, competition))


def check_all(
    entries: Sequence[EntryFacts],
    competition: Competition,
    *,
    seen: Mapping[str, Seen] | None = None,
    alike: Sequence[AlikePhotos] = (),
    reused: Sequence[Reused] = (),
) -> tuple[Compliance, ...]:
    """Check every entry, with duplicates, categories and the number of entries of an author.

    Args:
        entries: All entries of the batch.
        competition: Its rules.
        seen: What detectors saw, by entry id; of an entry that is not in it nothing was seen.
        alike: Pairs of different photos that show the same.
        reused: Photos that took part in an earlier round.

    Returns:
        One compliance an entry, in the order given. Of equal pictures the first by `entry_id` that keeps all other
        rules stays in, with a query; the others fail.
    """
    alone = {facts.entry_id: check(facts, competition) for facts in entries}
    in_pictures = [*_seen(entries, competition, seen or {})]
    failing = {entry_id for entry_id, compliance in alone.items() if compliance.verdict == "fail"}
    failing |= {entry_id for entry_id, finding in in_pictures if finding.verdict == "fail"}
    named = _by_photo(entries)
    across: dict[str, list[Finding]] = defaultdict(list)
    for entry_id, finding in (
        *_duplicates(entries, failing),
        *_without_category(entries, competition),
        *_over_quota(entries, competition),
        *in_pictures,
        *likeness_findings(alike, named, competition.rules.on_near_duplicates, failing=failing),
        *reuse_findings(reused, named, competition.rules.on_reuse),
    ):
        across[entry_id].append(finding)
    return tuple(
        _judged(
            facts.entry_id,
            _kept(facts, (*alone[facts.entry_id].findings, *across[facts.entry_id]), competition),
        )
        for facts in entries
    )


def _kept(facts: EntryFacts, findings: Iterable[Finding], competition: Competition) -> Iterable[Finding]:
    """The findings that count: an anchor is no entry, and only has to be opened."""
    if anchor_mark(facts.file_name, competition) is None:
        return findings
    return [finding for finding in findings if finding.rule == "readable"]


def _seen(
    entries: Sequence[EntryFacts], competition: Competition, seen: Mapping[str, Seen]
) -> Iterable[tuple[str, Finding]]:
    for facts in entries:
        if facts.entry_id in seen and facts.photo_id is not None:
            category = category_of(facts.file_name, competition)
            for finding in picture_findings(
                seen[facts.entry_id], category, competition, photo_id=facts.photo_id
            ):
                yield facts.entry_id, finding


def _by_photo(entries: Sequence[EntryFacts]) -> dict[str, list[tuple[str, str]]]:
    named: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for facts in entries:
        if facts.photo_id is not None:
            named[facts.photo_id].append((facts.entry_id, facts.file_name))
    return named


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
    elif same_color_space(found, wanted):
        return
    elif found == "Gray":
        yield Finding(
            rule="color_space",
            verdict="query",
            message=f"The file is greyscale and holds no colors to be in {wanted}; see how it is projected.",
            measured=found,
            allowed=wanted,
        )
    else:
        yield Finding(
            rule="color_space",
            verdict="fail",
            message=f"The file is in {found}; {wanted} is asked for. Convert it and hand it in again.",
            measured=found,
            allowed=wanted,
        )


def _format(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    if facts.format is None:
        return
    found = format_key(facts.format)
    formats = competition.rules.formats
    if formats and found not in {format_key(name) for name in formats}:
        yield Finding(
            rule="formats",
            verdict="fail",
            message=f"The file is a {facts.format.upper()}; {' or '.join(formats)} is asked for.",
            measured=facts.format.upper(),
            allowed=", ".join(formats),
        )
    expected = format_of_name(facts.file_name)
    if expected is not None and found not in {expected, "unknown"}:
        extension = PurePosixPath(facts.file_name).suffix.casefold()
        yield Finding(
            rule="extension",
            verdict="query",
            message=f"The name ends in {extension}, but the file is a {facts.format.upper()}.",
            measured=facts.format.upper(),
            allowed=expected.upper(),
        )


def _name(facts: EntryFacts, competition: Competition) -> Iterable[Finding]:
    naming = competition.rules.naming
    if not naming:
        return
    # The name itself stands beside the finding and is not repeated.
    parts = name_parts(facts.file_name, competition)
    if not parts.exact:
        yield Finding(
            rule="naming",
            verdict="fail",
            message=f"The file is not named as the rules ask: {naming}.",
            measured="another form",
            allowed=naming,
        )
    elif parts.doubt is not None:
        yield Finding(
            rule="naming",
            verdict="query",
            message=_DOUBTS[parts.doubt],
            measured="no title",
            allowed=naming,
        )
    if parts.foreign_category:
        listed = ", ".join(competition.categories)
        yield Finding(
            rule="category",
            verdict="fail",
            message=f"The file's name says a category that the rules do not have; they have {listed}.",
            measured="another category",
            allowed=listed,
        )


def _without_category(
    entries: Sequence[EntryFacts], competition: Competition
) -> Iterable[tuple[str, Finding]]:
    """Entries of which nothing says the category, in a batch where something says it of others."""
    if len(competition.categories) < 2:  # noqa: PLR2004 - with one, all are in it
        return
    lost = [facts for facts in entries if not category_of(facts.file_name, competition)]
    if len(lost) == len(entries):
        return
    listed = ", ".join(competition.categories)
    for facts in lost:
        if not name_parts(facts.file_name, competition).foreign_category:
            yield (
                facts.entry_id,
                Finding(
                    rule="category",
                    verdict="query",
                    message=f"Nothing says which category it is in, as of other entries; the rules have {listed}.",
                    measured="none",
                    allowed=listed,
                ),
            )


def _duplicates(entries: Sequence[EntryFacts], failing: Collection[str]) -> Iterable[tuple[str, Finding]]:
    """Of equal pictures one stays in: the first by `entry_id` of those that do not fail for another reason.

    In a batch the entry id is the batch's name and the file's, so that is the first by name.
    """
    by_photo: dict[str, list[EntryFacts]] = defaultdict(list)
    for facts in entries:
        if facts.photo_id is not None and facts.error_class != "empty_file":
            by_photo[facts.photo_id].append(facts)
    for same in by_photo.values():
        if len(same) == 1:
            continue
        first, *others = sorted(same, key=lambda facts: (facts.entry_id in failing, facts.entry_id))
        counts = first.entry_id not in failing
        copies = f"The same picture was handed in {_times(len(same))}, also as {_named(others)}"
        yield (
            first.entry_id,
            Finding(
                rule="duplicate",
                verdict="query",
                message=f"{copies}; this one counts, {_WHY_IT_COUNTS}."
                if counts
                else f"{copies}. {_NONE_COUNTS}",
                measured=f"{len(same)} entries",
                allowed="1 entry",
            ),
        )
        for other in others:
            same_file = other.file_sha256 is not None and other.file_sha256 == first.file_sha256
            kind = "the same file as" if same_file else "the same picture, with other metadata, as"
            copy = f"This is {kind} {_named([first])}"
            yield (
                other.entry_id,
                Finding(
                    rule="duplicate",
                    verdict="fail",
                    message=f"{copy}, which counts, {_WHY_IT_COUNTS}."
                    if counts
                    else f"{copy}. {_NONE_COUNTS}",
                    measured=first.entry_id,
                    allowed="1 entry",
                ),
            )


def _named(entries: Sequence[EntryFacts]) -> str:
    names = [
        f"\N{LEFT DOUBLE QUOTATION MARK}{facts.file_name}\N{RIGHT DOUBLE QUOTATION MARK}" for facts in entries
    ]
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


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
