"""A competition's rules in plain words: what each asks, what it leads to, and what an organizer may have overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imageworks.counting import counted
from imageworks.judge_vision.anchors import FEWEST_ANCHORS
from imageworks.judge_vision.competition import HIGHEST_MARK, marks_in_words
from imageworks.judge_vision.compliance import byte_words
from imageworks.judge_vision.findings import SURE
from imageworks.judge_vision.playoff import most_pairs
from imageworks.judge_vision.report_charts import ordinal
from imageworks.judge_vision.seen import is_mono

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imageworks.judge_vision.competition import Competition, Leads

_OUT = "is kept out"
_ASKS = "is to be looked at by a person"
_LEADS: dict[Leads, str] = {
    "pass": "is not looked for",
    "query": _ASKS,
    "fail": f"{_OUT}; one that the detector is less than {100 * SURE:.0f} % sure of {_ASKS}",
}


class Told(NamedTuple):
    """What is told of one subject: a heading and sentences."""

    about: str
    sentences: tuple[str, ...]


def in_words(competition: Competition) -> tuple[Told, ...]:
    """The rules in plain words, by subject; a subject without anything to tell is left out."""
    subjects = (
        ("Files", _files(competition)),
        ("Names and people", _names(competition)),
        ("What is seen in the picture", _seen(competition)),
        ("Categories", _categories(competition)),
        ("Marks and awards", _awards(competition)),
        ("The playoff", _playoff(competition)),
        ("Anchors", _anchors(competition)),
        ("What the judge is told", _notes(competition)),
        ("Worth a look", _overlooked(competition)),
    )
    told = (Told(about, tuple(sentences)) for about, sentences in subjects)
    return tuple(one for one in told if one.sentences)


def _files(competition: Competition) -> Iterator[str]:
    rules = competition.rules
    for side, least, most in (
        ("wide", rules.min_width, rules.max_width),
        ("high", rules.min_height, rules.max_height),
    ):
        bounds = [f"at least {least}"] if least is not None else []
        bounds += [f"at most {most}"] if most is not None else []
        if bounds:
            yield f"A picture is {' and '.join(bounds)} pixels {side}; anything else {_OUT}."
    if rules.max_bytes is not None:
        yield f"A file has at most {byte_words(rules.max_bytes)}; a larger one {_OUT}."
    if rules.formats:
        yield f"A file is a {' or a '.join(rules.formats)}; another format {_OUT}."
    if rules.color_space:
        yield (
            f"A file is in {rules.color_space}; another color space {_OUT}, one that is not said, or grey, {_ASKS}."
        )
    yield f"A file that cannot be opened {_OUT}. A name that ends otherwise than its format {_ASKS}."
    yield f"Of the same picture handed in twice one counts; the other {_OUT}."


def _names(competition: Competition) -> Iterator[str]:
    rules = competition.rules
    if not rules.naming:
        yield "Files are named anyhow; the judge is shown no title, because a name may hold its author's."
        return
    yield f"A file is named {rules.naming}; another form {_OUT}. The judge is shown the title and nothing else."
    if "{author}" in rules.naming:
        yield f"Where the author's name could be in the title, the judge is shown no title, and the entry {_ASKS}."
    if rules.entries_per_author is not None:
        entries = counted(rules.entries_per_author, "entry", "entries")
        yield f"One author hands in at most {entries}; where there are more, each of them {_ASKS}, who chooses."


def _seen(competition: Competition) -> Iterator[str]:
    rules = competition.rules
    yield f"A border {_LEADS[rules.on_borders]}."
    mono = [name for name in competition.categories if is_mono(name, competition)]
    if mono:
        yield f"More than one tint in {' and '.join(mono)} {_LEADS[rules.on_color_in_mono]}."
    if rules.watermark_allowed:
        yield "A signature, a logo's name or a date in the picture is allowed."
    else:
        yield f"A signature, a logo's name or a date in the picture {_LEADS[rules.on_text]}."
    yield (
        "Of the same picture, edited or saved anew, the one that breaks another rule, else the later by name, "
        f"{_LEADS[rules.on_near_duplicates]}."
    )
    yield f"A picture whose metadata name a generator {_LEADS[rules.on_ai_metadata]}."
    yield f"A picture that took part in an earlier round of this home {_LEADS[rules.on_reuse]}."


def _categories(competition: Competition) -> Iterator[str]:
    names = competition.categories
    if len(names) == 1:
        yield f"All entries are in {names[0]}."
    elif names:
        by_name = "its name says, else the one that " if "{category}" in competition.rules.naming else ""
        folders = " or ".join(f"{name}/…" for name in names)
        yield (
            f"{', '.join(names)}: each is ranked apart. An entry is in the one that {by_name}its first folder says: "
            f"{folders}. One without {_ASKS}."
        )


def _awards(competition: Competition) -> Iterator[str]:
    yield f"The judge marks from 0 to {HIGHEST_MARK}."
    for award in competition.award_order():
        if marks := competition.score_bands.get(award):
            yield f"{award}: for {marks_in_words(marks)} marks."
        elif places := competition.place_bands.get(award):
            yield f"{award}: for {_places(places)}; those that share a place share the award."
        else:
            yield f"{award}: nothing says what earns it, so nobody gets it."


def _places(places: tuple[int, ...]) -> str:
    first, last = min(places), max(places)
    if first == last:
        return f"the {ordinal(first)} place"
    if set(range(first, last + 1)) == set(places):
        return f"the {ordinal(first)} to the {ordinal(last)} place"
    return f"the places {marks_in_words(places)}"


def _playoff(competition: Competition) -> Iterator[str]:
    rules = competition.playoff
    if rules.rounds == 0:
        yield "There is none: entries are ranked by their marks, and equal marks share a place."
        return
    each = " of each category" if len(competition.categories) > 1 else ""
    most = most_pairs(rules.shortlist, rules)
    yield (
        f"The best-marked {rules.shortlist}{each} meet in pairs, each pair in both orders: at most "
        f"{counted(most, 'pair')}, {2 * most} questions. It ends earlier when "
        f"{'the first place is' if rules.places == 1 else f'the first {rules.places} places are'} settled."
    )


def _anchors(competition: Competition) -> Iterator[str]:
    known = competition.anchor_marks
    if known:
        listed = ", ".join(f"{name} {mark:g}" for name, mark in known.items())
        yield (
            f"Photos named {listed} are anchors among the entries: no rule is checked on them and they take no place. "
            f"With {FEWEST_ANCHORS} of them, each entry's mark on their scale stands beside its score."
        )
        if len(known) < FEWEST_ANCHORS:
            yield f"These are {len(known)}: too few for a scale."


def _notes(competition: Competition) -> Iterator[str]:
    yield from competition.rules_notes().splitlines()


def _overlooked(competition: Competition) -> Iterator[str]:
    rules, bands = competition.rules, competition.score_bands
    if covered := {mark for marks in bands.values() for mark in marks}:
        gap = sorted(set(range(min(covered), HIGHEST_MARK + 1)) - covered)
        if gap:
            yield f"No award is for {marks_in_words(gap)} marks, though one is for fewer."
    if not competition.award_order():
        yield "There are no awards; give `awards` and `score_bands`, or `place_bands`, if there are to be some."
    beyond = [
        award
        for award, places in competition.place_bands.items()
        if max(places, default=0) > competition.playoff.shortlist
    ]
    if beyond:
        yield (
            f"{' and '.join(beyond)}: some of its places lie beyond the {competition.playoff.shortlist} that meet in "
            f"the playoff; there equal marks share a place, and so the award."
        )
    lost = [
        name
        for name in rules.mono_categories
        if name.casefold() not in map(str.casefold, competition.categories)
    ]
    if lost:
        yield f"mono_categories names {' and '.join(lost)}, which is not among the categories."
    if rules.borders and rules.on_borders == "query":
        yield f"`borders` are words for the judge; what one leads to is said by on_borders: it {_ASKS}."
    if rules.manipulation:
        yield "Editing cannot be measured: look at the entries yourself."
    if rules.watermark_allowed is False and rules.on_text == "pass":
        yield "`watermark_allowed` tells the judge that there are to be no names, and on_text looks for none."
    if competition.anchors:
        yield "`anchors` are a record; what `anchor_marks` names is compared with the judge."
