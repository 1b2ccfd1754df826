"""Which entries meet in which round: pure, and the same again from the same scores, comparisons and seed.

Everybody meets two others first. From then on those meet whose comparison tells most about the first places, as long
as these are not settled (see `settling`), and who is out of the question for them rests. In a round an entry is in one
pair at most: who meets next depends on the answers of all. No two meet twice before the same judge: asked again, it
says the same.

Of several judges each pair of a round is put to one, so that several cost no more comparisons than one. That judge is
chosen who has judged the two least so far: every judge makes about as many comparisons, and every entry meets them all
about equally often. Two whose order matters meet again before another judge.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from imageworks.judge_vision.ranking import Comparison, fit, fit_places
from imageworks.judge_vision.settling import SETTLED, Edges

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from imageworks.judge_vision.competition import Playoff
    from imageworks.judge_vision.ranking import Outcome, Vector

LOGITS_PER_MARK: Final = 0.35
"""How much one mark of a critique counts before anybody was compared; only pairing uses it, never the ranking."""

_PAIRING_SPREAD: Final = 1.5
_EVERYBODY_MEETS: Final = 2
"""So many others before anybody rests."""

_WORTHWHILE: Final = 0.2
"""Share of the best pair's worth that a pair of the round has to have: less is better asked when more is known."""

_ROOM_FOR_TIES: Final = 1.5

ONE_JUDGE: Final = ("",)
"""The judges where there is one: nobody has to tell it from another."""

Ending = Literal["settled", "spent", "all met"]
"""Why a playoff ended: its places are settled, its comparisons spent, or nobody is left who has not met.

Of several judges: nobody is left who has not met before each of them.
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may take part: eligible and with a critique.

    Attributes:
        entry_id: The entry.
        score: Marks, 0 to 20.
        weighted: The critique's three marks by their weights; orders equal scores.
    """

    entry_id: str
    score: int
    weighted: float


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Who takes part, best first.

    Attributes:
        entries: Their ids.
        cut_by_lot: Entries left out although their marks equal those of somebody who is in.
    """

    entries: tuple[str, ...]
    cut_by_lot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entries that meet, before one judge; each pair is asked in both orders."""

    round: int
    a: str
    b: str
    judge: str = ""

    @property
    def orders(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Shown first and second: A before B, then B before A."""
        return (self.a, self.b), (self.b, self.a)

    def decided(self, outcome: Outcome) -> Comparison:
        """The pair with its outcome; see `comparing.combine`."""
        return Comparison(self.a, self.b, outcome, self.judge)


def _lot(seed: int, *words: object) -> float:
    """A number in 0 to 1 from a seed and words: a drawing of lots that is the same on every machine."""
    text = "\0".join(str(word) for word in (seed, *words)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


def choose_shortlist(candidates: Iterable[Candidate], playoff: Playoff) -> Shortlist:
    """The best-scored entries.

    Those whose marks equal the last one's come in too while there is room for half as many again; otherwise lots
    are drawn among them from the seed, and those who lost are named.
    """
    seed = playoff.seed
    ordered = sorted(
        candidates,
        key=lambda each: (-each.score, -round(each.weighted, 6), _lot(seed, "shortlist", each.entry_id)),
    )
    size = playoff.shortlist
    if len(ordered) <= size:
        return Shortlist(tuple(each.entry_id for each in ordered))

    def marks(each: Candidate) -> tuple[int, float]:
        return each.score, round(each.weighted, 6)

    edge = marks(ordered[size - 1])
    with_ties = sum(1 for each in ordered if marks(each) >= edge)
    count = with_ties if with_ties <= size * _ROOM_FOR_TIES else size
    return Shortlist(
        tuple(each.entry_id for each in ordered[:count]),
        tuple(sorted(each.entry_id for each in ordered[count:] if marks(each) == edge)),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a playoff has come.

    Attributes:
        chances: How sure it is that the first one is the best, that the first two are the best two, and so on
            down to the last place that matters.
        asked: Pairs, those without a valid answer too.
        most: Pairs that may be asked.
        round_robin: Pairs of everybody with everybody, before each of the judges.
        ending: Why no more pairs are to be asked; None when there are.
    """

    chances: tuple[float, ...]
    asked: int
    most: int
    round_robin: int
    ending: Ending | None


def most_pairs(candidates: int, playoff: Playoff, *, judges: int = 1) -> int:
    """The most pairs that a section of so many candidates can come to, whatever their marks are.

    They are as many as in so many rounds in which everybody is in one pair, however many judges there are; no two meet
    again before the same one.
    """
    return _budget(min(candidates, int(playoff.shortlist * _ROOM_FOR_TIES)), playoff, judges)


def _budget(entries: int, playoff: Playoff, judges: int) -> int:
    return min(playoff.rounds * (entries // 2), judges * _round_robin(entries))


def _round_robin(entries: int) -> int:
    return entries * (entries - 1) // 2


def progress(
    entries: Collection[str],
    comparisons: Sequence[Comparison],
    playoff: Playoff,
    *,
    undecided: Iterable[Pair] = (),
    judges: Sequence[str] = ONE_JUDGE,
) -> Progress:
    """How far the playoff of a shortlist has come.

    Args:
        entries: Everybody on the shortlist.
        comparisons: All decided so far, in any order.
        playoff: For the places that matter and how many pairs may be asked.
        undecided: All pairs that were asked in vain.
        judges: All who are asked, each by another name.

    Raises:
        ComparisonError: A comparison or pair of somebody who is not on the shortlist, or with itself.
    """
    return _Table.of(entries, comparisons, playoff, undecided, judges).progress()


def next_pairs(
    scores: Mapping[str, float],
    comparisons: Sequence[Comparison],
    playoff: Playoff,
    *,
    round_number: int,
    undecided: Iterable[Pair] = (),
    judges: Sequence[str] = ONE_JUDGE,
) -> tuple[Pair, ...]:
    """The pairs of a round, each entry at most once, none that met before its judge; empty when the playoff has ended.

    A pair that was asked and got no valid answer has met: asked in every round again, one photo that no model can
    answer about would take the same neighbor's comparisons away.

    Args:
        scores: Everybody on the shortlist, with marks from 0 to 20: neighbors by marks meet first.
        comparisons: All decided so far, in any order.
        playoff: For the places that matter, how many pairs may be asked, and the seed, which decides between pairings
            that teach the same.
        round_number: 1 for the first.
        undecided: All pairs that were asked in vain.
        judges: All among whom the pairs are shared out, each by another name.

    Raises:
        ComparisonError: A comparison or pair of somebody who is not on the shortlist, or with itself.
    """
    table = _Table.of(scores, comparisons, playoff, undecided, judges)
    reached = table.progress()
    if reached.ending is not None:
        return ()
    entries = table.entries
    mean = sum(scores.values()) / len(scores)
    foreseen = fit(
        entries,
        comparisons,
        prior_means={entry: LOGITS_PER_MARK * (score - mean) for entry, score in scores.items()},
        prior_spread=_PAIRING_SPREAD,
    ).strengths
    leads = foreseen[:, None] - foreseen[None, :]
    worth = table.edges.worth(leads, everybody=bool(table.newcomers))

    def lot(one: int, other: int) -> float:
        return _lot(playoff.seed, round_number, entries[one], entries[other])

    def judges_lot(judge: str) -> float:
        return _lot(playoff.seed, round_number, judge)

    chosen = list(_matching(table, worth, lot))[: reached.most - reached.asked]
    judged_by = _shared_out(table, chosen, judges_lot)
    return tuple(
        Pair(round_number, entries[one], entries[other], judged_by[one, other])
        for one, other in sorted(chosen)
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Who has met whom, and what is open between them. Entries are meant by their positions.

    `before` says of each pair, the lower position first, before whom it met, and `times` how often each entry did
    before each judge.
    """

    entries: tuple[str, ...]
    judges: tuple[str, ...]
    met: tuple[frozenset[int], ...]
    before: Mapping[tuple[int, int], frozenset[str]]
    times: Counter[tuple[int, str]]
    edges: Edges
    most: int

    @classmethod
    def of(
        cls,
        entries: Collection[str],
        comparisons: Sequence[Comparison],
        playoff: Playoff,
        undecided: Iterable[Pair],
        judges: Sequence[str],
    ) -> _Table:
        posterior = fit_places(entries, comparisons)
        ordered = posterior.entries
        position = {entry: index for index, entry in enumerate(ordered)}
        met: list[set[int]] = [set() for _ in ordered]
        before: dict[tuple[int, int], set[str]] = {}
        pairs: list[Comparison | Pair] = [*comparisons, *undecided]
        for pair in pairs:
            one, other = sorted((position[pair.a], position[pair.b]))
            met[one].add(other)
            met[other].add(one)
            before.setdefault((one, other), set()).add(pair.judge)
        return cls(
            ordered,
            tuple(judges),
            tuple(map(frozenset, met)),
            {pair: frozenset(those) for pair, those in before.items()},
            Counter((entry, judge) for pair, those in before.items() for judge in those for entry in pair),
            Edges(posterior, playoff.places),
            _budget(len(ordered), playoff, len(judges)),
        )

    @property
    def everybody_met(self) -> int:
        """How many others everybody has to meet before anybody rests."""
        return min(_EVERYBODY_MEETS, len(self.entries) - 1)

    @property
    def newcomers(self) -> frozenset[int]:
        """Who has not met so many yet."""
        return frozenset(index for index, met in enumerate(self.met) if len(met) < self.everybody_met)

    def progress(self) -> Progress:
        asked = sum(map(len, self.before.values()))
        round_robin = len(self.judges) * _round_robin(len(self.entries))
        chances = self.edges.chances()
        ending: Ending | None = None
        if asked >= round_robin:
            ending = "all met"
        elif not self.newcomers and min(chances) >= SETTLED:
            ending = "settled"
        elif asked >= self.most:
            ending = "spent"
        return Progress(chances, asked, self.most, round_robin, ending)


def _matching(table: _Table, worth: Vector, lot: Callable[[int, int], float]) -> Iterator[tuple[int, int]]:
    """Pairs that may meet, worthiest first, no entry in two of them."""
    newcomers, judges = table.newcomers, len(table.judges)
    pairs = [
        (one, other)
        for one in range(len(table.entries))
        for other in range(one + 1, len(table.entries))
        if (
            other not in table.met[one] and (one in newcomers or other in newcomers)
            if newcomers
            else len(table.before.get((one, other), ())) < judges
        )
    ]
    best = max((worth[pair] for pair in pairs), default=0.0)
    # Pairs that differ in the last digits alone are equals, on every machine.
    rank = {pair: round(float(worth[pair] / best), 6) if best else 0.0 for pair in pairs}
    taken: set[int] = set()
    for one, other in sorted(pairs, key=lambda pair: (-rank[pair], lot(*pair))):
        if not newcomers and taken and rank[one, other] < _WORTHWHILE:
            return
        if one not in taken and other not in taken:
            taken |= {one, other}
            yield one, other


def _shared_out(
    table: _Table, pairs: Iterable[tuple[int, int]], lot: Callable[[str], float]
) -> dict[tuple[int, int], str]:
    """Who judges each pair of a round: of those that it did not meet before, who has judged the two least so far."""
    made = Counter(judge for those in table.before.values() for judge in those)
    judged_by: dict[tuple[int, int], str] = {}
    for pair in pairs:
        left = [judge for judge in table.judges if judge not in table.before.get(pair, ())]
        judge = min(
            left,
            key=lambda each: (sum(table.times[entry, each] for entry in pair), made[each], lot(each)),
        )
        judged_by[pair] = judge
        made[judge] += 1
    return judged_by
