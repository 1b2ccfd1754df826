"""A competition by its categories: each has its own shortlist, its own pairs, its own places and awards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.playoff import Shortlist, choose_shortlist
from imageworks.judge_vision.results import Result, Section, rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imageworks.judge_vision.competition import Competition
    from imageworks.judge_vision.playoff import Candidate, Pair
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
) -> Result:
    """The result of a competition, each category ranked by itself; see `results.rank`.

    Args:
        contenders: Every entry of the batch.
        categories: By entry.
        competition: For its categories and score bands.
        comparisons: Decided pairs of all shortlists.
        shortlists: By section, as `choose_shortlists` gives them.
        undecided: Pairs of all shortlists that were asked in vain.
        position_bias: What the order of showing does to the judge.

    Returns:
        Rows by section. The result names its sections only where several have places.

    Raises:
        ComparisonError: A comparison of an entry that is not on its section's shortlist.
    """
    everybody = list(contenders)
    sections = sections_of(categories, competition)
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
        )
    rows = tuple(
        row.model_copy(update={"category": section})
        for section, result in results.items()
        for row in result.rows
    )
    placing = {section: result for section, result in results.items() if result.ranked}
    if len(placing) <= 1:
        only = next(iter(placing.values()), results[sections[0]])
        return only.model_copy(update={"rows": rows, "position_bias": position_bias})
    return Result(
        rows=rows,
        explanation=(f"Ranked in {len(placing)} sections, each by itself.",),
        comparisons=sum(result.comparisons for result in results.values()),
        playoff_entries=sum(result.playoff_entries for result in results.values()),
        position_bias=position_bias,
        sections=tuple(
            Section(
                category=section,
                explanation=result.explanation,
                comparisons=result.comparisons,
                playoff_entries=result.playoff_entries,
                progress=result.progress,
            )
            for section, result in placing.items()
        ),
    )
