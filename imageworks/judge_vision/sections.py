"""A competition by its categories: each has its own shortlist, its own pairs, its own places and awards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.playoff import ONE_JUDGE, Shortlist, choose_shortlist
from imageworks.judge_vision.results import GENERAL, Result, Section, rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.playoff import Candidate, Pair
    from imageworks.judge_vision.playoff_judges import PlayoffJudge
    from imageworks.judge_vision.position_bias import PositionBias
    from imageworks.judge_vision.ranking import Comparison
    from imageworks.judge_vision.results import Contender


def sections_of(categories: Mapping[str, str], competition: Competition) -> tuple[str, ...]:
    """The categories that entries are in, in the rules' order; those that are in none come last, as "".

    Args:
        categories: By entry; see `naming.category_of`.
        competition: For the order.

    Returns:
        At least one: a competition without categories is one section, "".
    """
    present = set(categories.values())
    named = tuple(category for category in competition.categories if category in present)
    return (*named, "") if "" in present or not named else named


def choose_shortlists(
    candidates: Iterable[Candidate], categories: Mapping[str, str], competition: Competition
) -> dict[str, Shortlist]:
    """The shortlist of each section; see `playoff.choose_shortlist`."""
    everybody = list(candidates)
    return {
        section: choose_shortlist(
            (each for each in everybody if categories[each.entry_id] == section), competition.playoff
        )
        for section in sections_of(categories, competition)
    }


def rank_sections(
    contenders: Iterable[Contender],
    categories: Mapping[str, str],
    competition: Competition,
    *,
    comparisons: Sequence[Comparison] = (),
    shortlists: Mapping[str, Shortlist],
    undecided: Sequence[Pair] = (),
    position_bias: PositionBias | None = None,
    playoff_judges: Sequence[PlayoffJudge] = (),
) -> Result:
    """The result of a competition, each category ranked by itself; see `results.rank`.

    Args:
        contenders: Every entry of the batch.
        categories: By entry.
        competition: For its categories and score bands.
        comparisons: Decided pairs of all shortlists.
        shortlists: By section, as `choose_shortlists` gives them.
        undecided: Pairs of all shortlists that were asked in vain.
        position_bias: What the order of showing does to the one judge.
        playoff_judges: All of several who shared the comparisons of all sections.

    Returns:
        Rows by section. The result names its sections only where several have places; what holds for all of them is
        explained once.

    Raises:
        ComparisonError: A comparison of an entry that is not on its section's shortlist.
    """
    everybody = list(contenders)
    sections = sections_of(categories, competition)
    judges = tuple(one.judge for one in playoff_judges) or ONE_JUDGE
    of_showing = {"position_bias": position_bias, "playoff_judges": tuple(playoff_judges)}
    results: dict[str, Result] = {}
    for section in sections:
        shortlist = shortlists.get(section, Shortlist(()))
        results[section] = rank(
            (each for each in everybody if categories[each.entry_id] == section),
            competition,
            comparisons=[
                game
                for game in comparisons
                # One of strangers goes to the first section, which refuses it by name.
                if categories.get(game.a, categories.get(game.b, sections[0])) == section
            ],
            shortlist=shortlist.entries,
            cut_by_lot=shortlist.cut_by_lot,
            undecided=[pair for pair in undecided if pair.a in shortlist.entries],
            judges=judges,
        )
    rows = tuple(
        row.model_copy(update={"category": section})
        for section, result in results.items()
        for row in result.rows
    )
    placing = {section: result for section, result in results.items() if result.ranked}
    if len(placing) <= 1:
        only = next(iter(placing.values()), results[sections[0]])
        return only.model_copy(update={"rows": rows, **of_showing})
    said = dict.fromkeys(sentence for result in placing.values() for sentence in result.explanation)
    return Result(
        rows=rows,
        explanation=(
            f"Ranked in {len(placing)} sections, each by itself.",
            *(sentence for sentence in said if sentence in GENERAL),
        ),
        comparisons=sum(result.comparisons for result in results.values()),
        playoff_entries=sum(result.playoff_entries for result in results.values()),
        position_bias=position_bias,
        playoff_judges=tuple(playoff_judges),
        sections=tuple(
            Section(
                category=section,
                explanation=tuple(one for one in result.explanation if one not in GENERAL),
                comparisons=result.comparisons,
                playoff_entries=result.playoff_entries,
                progress=result.progress,
            )
            for section, result in placing.items()
        ),
    )
