"""From scores, checks and comparisons to the result of a competition: places, awards, and how sure they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from imageworks.counting import counted
from imageworks.judge_vision.anchors import ANCHOR
from imageworks.judge_vision.compliance import Verdict, unreadable_words
from imageworks.judge_vision.playoff import ONE_JUDGE, Progress, progress
from imageworks.judge_vision.playoff_judges import PlayoffJudge  # noqa: TC001 - as the next
from imageworks.judge_vision.position_bias import PositionBias  # noqa: TC001 - pydantic reads it
from imageworks.judge_vision.ranking import Ranking, Standing, rank_by_comparisons
from imageworks.judge_vision.settling import SETTLED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.playoff import Pair
    from imageworks.judge_vision.ranking import Comparison

DecidedBy = Literal["playoff", "score", "none"]

_MOST_NAMED = 20

_MEDIANS = "Each score is the median of several judges; how far they are apart stands at each entry."
_STRENGTHS = (
    "Strengths are a Bradley-Terry fit. A bar shows the 95 % interval: where bars overlap, the order may "
    "well be another; the range beside a place holds the places that remain credible."
)
_UNDEFEATED = (
    "A photo that won at least once and lost never comes before those that lost, if the first place is credible "
    "for it and it was compared at least half as often as is usual."
)
_BY_PLACES = "Awards go by places; those that share a place share its award."
_BY_MARKS = (
    "Awards go by marks and places by comparisons, so an award can stand below a higher place that has none "
    "or a lesser one."
)

GENERAL: Final = frozenset({_MEDIANS, _STRENGTHS, _UNDEFEATED, _BY_PLACES, _BY_MARKS})
"""Sentences of an explanation that say how to read it, whatever came out."""

BREAKS_THE_RULES: Final = "It does not keep the rules; see its findings."


class Contender(BaseModel):
    """An entry as the result needs it.

    `score` is None when no valid critique was given; `error_class` then says why. An anchor takes no place.
    `answers` says how many the score came of: of several judges it is their median.
    """

    model_config = ConfigDict(frozen=True)

    entry_id: str
    score: int | None = None
    weighted: float | None = None
    verdict: Verdict = "pass"
    error_class: str | None = None
    anchor: bool = False
    answers: int = 1


class ResultRow(BaseModel):
    """One entry's result. An entry that is not ranked has no place, and `reason` says why."""

    model_config = ConfigDict(frozen=True)

    entry_id: str
    category: str = Field("", description="The category that it is ranked in; empty when nothing says one.")
    place: int | None = Field(None, description="1 is best; equals share the better place.")
    place_low: int | None = Field(None, description="Best place that is credible.")
    place_high: int | None = Field(None, description="Worst place that is credible.")
    score: int | None = Field(None, description="Marks, 0 to 20.")
    award: str | None = Field(
        None, description="By marks or by place, as the rules say; only for eligible entries."
    )
    strength: float | None = Field(None, description="Logits, mean 0 over the playoff; None outside it.")
    strength_low: float | None = Field(None, description="Lower end of the 95 % interval.")
    strength_high: float | None = Field(None, description="Upper end of the 95 % interval.")
    wins: int = 0
    draws: int = 0
    losses: int = 0
    compared_by: dict[str, int] = Field(
        {}, description="How many of its comparisons each of several judges made; empty where there was one."
    )
    tied: int = Field(0, description="How many other entries share the place.")
    tied_with: tuple[str, ...] = Field((), description="Those entries, the first of them by id.")
    decided_by: DecidedBy = "none"
    eligible: bool = True
    reason: str = Field("", description="Why an entry is not ranked, in words.")


class Section(BaseModel):
    """How the ranking of one category came about, in sentences and numbers."""

    model_config = ConfigDict(frozen=True)

    category: str = Field(description="Empty for entries of which nothing says their category.")
    explanation: tuple[str, ...]
    comparisons: int = 0
    playoff_entries: int = 0
    progress: Progress | None = Field(None, description="How far its playoff came; None without one.")

    @property
    def pairs(self) -> int:
        """Pairs that met in the playoff, those without a valid answer too; each is two questions."""
        return self.progress.asked if self.progress else 0


class Result(BaseModel):
    """All rows, and how the ranking came about, in sentences.

    Rows stand by section; within one, ranked ones first by place.
    """

    model_config = ConfigDict(frozen=True)

    rows: tuple[ResultRow, ...]
    explanation: tuple[str, ...]
    comparisons: int = 0
    playoff_entries: int = 0
    progress: Progress | None = Field(
        None, description="How far the playoff came; None without one, or with several."
    )
    position_bias: PositionBias | None = Field(
        None,
        description="What the order of showing does to the judge; None without a playoff, and of several judges, "
        "each of which has its own.",
    )
    playoff_judges: tuple[PlayoffJudge, ...] = Field(
        (), description="All who shared the comparisons; empty where one judge made them."
    )
    sections: tuple[Section, ...] = Field(
        (), description="Where categories are ranked apart; empty: all are ranked together."
    )

    @property
    def ranked(self) -> tuple[ResultRow, ...]:
        """Rows with a place."""
        return tuple(row for row in self.rows if row.place is not None)

    @property
    def pairs(self) -> int:
        """Pairs that met in the playoffs of all sections, as `Section.pairs` counts them."""
        reached = [section.progress for section in self.sections] or [self.progress]
        return sum(progress.asked for progress in reached if progress)


def rank(
    contenders: Iterable[Contender],
    competition: Competition,
    *,
    comparisons: Sequence[Comparison] = (),
    shortlist: Sequence[str] = (),
    cut_by_lot: Sequence[str] = (),
    undecided: Sequence[Pair] = (),
    judges: Sequence[str] = ONE_JUDGE,
) -> Result:
    """The result of one section of a competition. The order of contenders and comparisons does not matter.

    Those on the shortlist that were compared take the first places, by their comparisons; all others follow by
    score, and those of equal score share a place. Entries that break a rule, or have no score, are listed without
    one.

    Args:
        contenders: Every entry of the section.
        competition: For its score bands.
        comparisons: Decided pairs of the shortlist.
        shortlist: Who took part in the playoff; without comparisons it counts for nothing.
        cut_by_lot: Who missed it by lot, to be said.
        undecided: Pairs that were asked in vain.
        judges: All among whom the comparisons were shared out.

    Raises:
        ComparisonError: A comparison of an entry that is not on the shortlist.
    """
    everybody = sorted(contenders, key=lambda each: each.entry_id)
    ranked = [
        each for each in everybody if each.verdict != "fail" and each.score is not None and not each.anchor
    ]
    eligible_ids = {each.entry_id for each in ranked}
    # An entry may have been found out after the playoff: it leaves with its comparisons.
    gone = set(shortlist) - eligible_ids
    games = [game for game in comparisons if game.a not in gone and game.b not in gone]
    met = {entry for game in games for entry in (game.a, game.b)}
    finalists = [entry for entry in shortlist if entry in met]
    ranking = _playoff_ranking(ranked, finalists, games)
    reached = (
        progress(shortlist, comparisons, competition.playoff, undecided=undecided, judges=judges)
        if ranking is not None
        else None
    )
    if reached is not None and gone:
        left = [entry for entry in shortlist if entry not in gone]
        reached = _of_those_left(reached, left, games, competition)
    unseen = [entry for entry in shortlist if entry in eligible_ids - met]

    rows: list[ResultRow] = []
    scores = {each.entry_id: each.score for each in ranked if each.score is not None}
    if ranking is not None:
        rows.extend(_finalist_rows(ranking, scores, competition, _met_before(games)))
    rest = [each for each in ranked if each.entry_id not in met]
    rows.extend(_scored_rows(rest, len(rows), competition))
    rows.extend(_unranked_row(each) for each in everybody if each.entry_id not in eligible_ids)
    return Result(
        rows=tuple(rows),
        explanation=tuple(
            _explain(
                ranking,
                reached,
                competition,
                len(rest),
                cut_by_lot,
                unseen,
                games,
                judges,
                panel=any(each.answers > 1 for each in ranked),
            )
        ),
        comparisons=len(games),
        playoff_entries=len(finalists),
        progress=reached,
    )


def _of_those_left(
    reached: Progress, left: Sequence[str], games: Sequence[Comparison], competition: Competition
) -> Progress:
    """How far a playoff came, with how sure it is of those alone who are placed by it."""
    return replace(reached, chances=progress(left, games, competition.playoff).chances)


def _playoff_ranking(
    ranked: Sequence[Contender], finalists: Sequence[str], games: Sequence[Comparison]
) -> Ranking | None:
    if not games:
        return None
    inside = set(finalists)
    marks = {
        each.entry_id: float(each.score)
        for each in ranked
        if each.entry_id in inside and each.score is not None
    }
    return rank_by_comparisons(finalists, games, tie_breaks=marks)


def _met_before(games: Iterable[Comparison]) -> dict[str, dict[str, int]]:
    """How many comparisons of each entry each of several judges made, by name."""
    counts = Counter((entry, game.judge) for game in games if game.judge for entry in (game.a, game.b))
    found: dict[str, dict[str, int]] = {}
    for entry, judge in sorted(counts):
        found.setdefault(entry, {})[judge] = counts[entry, judge]
    return found


def _finalist_rows(
    ranking: Ranking,
    scores: dict[str, int],
    competition: Competition,
    met_before: Mapping[str, dict[str, int]],
) -> Iterator[ResultRow]:
    for standing in ranking.standings:
        yield ResultRow(
            entry_id=standing.entry_id,
            place=standing.place,
            place_low=standing.place_low,
            place_high=standing.place_high,
            score=scores[standing.entry_id],
            award=competition.award_for(scores[standing.entry_id], standing.place),
            strength=round(standing.strength, 6),
            strength_low=round(standing.strength_low, 6),
            strength_high=round(standing.strength_high, 6),
            wins=standing.wins,
            draws=standing.draws,
            losses=standing.losses,
            compared_by=met_before.get(standing.entry_id, {}),
            tied=len(sharing := _sharing(standing, ranking.standings)),
            tied_with=sharing[:_MOST_NAMED],
            decided_by="score" if standing.by_tie_break else "playoff",
        )


def _sharing(standing: Standing, standings: Sequence[Standing]) -> tuple[str, ...]:
    return tuple(
        each.entry_id
        for each in standings
        if each.place == standing.place and each.entry_id != standing.entry_id
    )


def _scored_rows(rest: Sequence[Contender], above: int, competition: Competition) -> Iterable[ResultRow]:
    by_score: dict[int, list[str]] = {}
    for each in rest:
        if each.score is not None:
            by_score.setdefault(each.score, []).append(each.entry_id)
    place = above + 1
    for score in sorted(by_score, reverse=True):
        same = sorted(by_score[score])
        # In a large batch a score is shared by thousands: each row names a few of them.
        few = same[: _MOST_NAMED + 1]
        for entry_id in same:
            yield ResultRow(
                entry_id=entry_id,
                place=place,
                place_low=place,
                place_high=place + len(same) - 1,
                score=score,
                award=competition.award_for(score, place),
                tied=len(same) - 1,
                tied_with=tuple(other for other in few if other != entry_id)[:_MOST_NAMED],
                decided_by="score",
            )
        place += len(same)


def _unranked_row(each: Contender) -> ResultRow:
    unreadable = unreadable_words(each.error_class) if each.error_class is not None else None
    if unreadable is not None:
        reason = f"It could not be read. {unreadable}"
    elif each.anchor:
        reason = ANCHOR
    elif each.verdict == "fail":
        reason = BREAKS_THE_RULES
    elif each.error_class is not None:
        reason = f"The judge gave no valid answer ({each.error_class})."
    else:
        reason = "It has no critique yet."
    return ResultRow(entry_id=each.entry_id, score=each.score, eligible=each.verdict != "fail", reason=reason)


def _explain(  # noqa: PLR0917 - what there is to tell
    ranking: Ranking | None,
    reached: Progress | None,
    competition: Competition,
    rest: int,
    cut_by_lot: Sequence[str],
    unseen: Sequence[str],
    games: Sequence[Comparison],
    judges: Sequence[str],
    *,
    panel: bool,
) -> Iterable[str]:
    if panel:
        yield _MEDIANS
    if ranking is None or reached is None:
        yield "Ranked by score alone; entries of equal score share a place."
        if not panel:
            yield "Each score was given once, so a place says nothing on how it would come out a second time."
        return
    yield from _compared(len(ranking.standings), reached.asked, games)
    if len(judges) > 1:
        made = Counter(game.judge for game in games)
        shares = ", ".join(f"{judge} decided {made[judge]}" for judge in judges)
        yield (
            f"The pairs were shared out among {len(judges)} judges: {shares}. No judge was asked about the same "
            f"two again."
        )
    yield from _told_of(reached, len(judges))
    if by_marks := [standing.entry_id for standing in ranking.standings if standing.by_tie_break]:
        yield f"Equal by their comparisons, and so placed by their marks: {_listed(by_marks)}."
    yield _STRENGTHS
    yield _UNDEFEATED
    yield _BY_PLACES if competition.place_bands else _BY_MARKS
    if rest:
        follow = "entry follows" if rest == 1 else f"{rest} entries follow"
        yield f"The other {follow} by score; equal scores share a place."
    if unseen:
        yield f"Placed by score because no pair of theirs has a valid answer: {_listed(unseen)}."
    if not ranking.connected:
        yield (
            f"The playoff fell into {len(ranking.groups)} groups that never met, so the order between groups is "
            "not known: "
            + "; ".join(_listed(group) for group in ranking.groups)
            + ". Nobody comes first for "
            "having lost never in a group smaller than the largest."
        )
    if cut_by_lot:
        yield f"Lots decided who of equal marks took part; left out: {_listed(cut_by_lot)}."


def _compared(finalists: int, pairs: int, games: Sequence[Comparison]) -> Iterable[str]:
    """How many pairs met, and what came of them."""
    drawn = sum(1 for game in games if game.outcome == "draw")
    yield (
        f"The first {finalists} places come from a playoff: {counted(pairs, 'pair')}, each compared in both orders, "
        f"which is {2 * pairs} questions; {drawn} ended in a draw."
    )
    if uncounted := pairs - len(games):
        yield (
            f"{counted(uncounted, 'pair')} of these {'counts' if uncounted == 1 else 'count'} for nothing: without a "
            "valid answer, or with an entry that has no place."
        )


def _told_of(reached: Progress, judges: int) -> Iterable[str]:
    """Why the playoff ended, and how sure the first places are."""
    everywhere = " before every judge" if judges > 1 else ""
    most = f"{reached.most - reached.asked} of {counted(reached.most, 'pair')} were saved"
    ending = {
        "settled": f"The playoff ended because its first places are settled; {most}",
        "spent": f"The playoff ended because its {counted(reached.most, 'pair')} were spent",
        "all met": f"The playoff ended because everybody had met everybody{everywhere}",
        None: f"The playoff has not ended: {reached.asked} of {counted(reached.most, 'pair')} were asked",
    }[reached.ending]
    yield f"{ending}. Everybody against everybody{everywhere} takes {reached.round_robin} pairs."
    chances = [
        f"the first {'is the best' if edge == 1 else f'{edge} are the best {edge}, in any order'}: {_percent(chance)}"
        for edge, chance in enumerate(reached.chances, start=1)
    ]
    open_ones = sum(1 for chance in reached.chances if chance < SETTLED)
    verdict = (
        f"Below {100 * SETTLED:.0f} %, take them for equals who were put in the likeliest order."
        if open_ones
        else f"All are settled, at {100 * SETTLED:.0f} % or more."
    )
    if chances:
        yield f"How sure it is by the comparisons that {'; '.join(chances)}. {verdict}"


def _percent(chance: float) -> str:
    """Of readings that are drawn: no certainty either way."""
    return f"{min(99, max(1, round(100 * chance)))} %"


def _listed(entries: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(sorted(entries)[:most])
    return shown if len(entries) <= most else f"{shown} and {len(entries) - most} more"
