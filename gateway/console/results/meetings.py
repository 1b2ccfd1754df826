"""The pairs of a playoff that an entry was in: each is one meeting, whose two answers came of the two orders."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imageworks.judge_vision.comparing import combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AS_ENTRYS: Final = {"a": "won", "b": "lost", "draw": "drew"}
_AS_SHOWN: Final = {
    ("first", True): "won",
    ("second", True): "lost",
    ("first", False): "lost",
    ("second", False): "won",
    ("draw", True): "drew",
    ("draw", False): "drew",
}


@dataclass(frozen=True)
class Answer:
    """What the judge said in one order.

    Attributes:
        shown: `first` or `second`: where the entry was shown.
        outcome: `won`, `lost` or `drew`, as the entry's; None without a valid answer.
        reason: The judge's words; empty without any.
    """

    shown: str
    outcome: str | None
    reason: str


@dataclass(frozen=True)
class Meeting:
    """A pair that the entry was in.

    Attributes:
        playoff_round: The round.
        other: The entry that it met.
        judge: Who of several compared them; empty where one judge did.
        outcome: `won`, `lost` or `drew`, as the entry's: what the two orders disagree on is a draw. None where an
            answer is missing.
        answers: Of each order that was asked, the one that showed the entry first before the other.
    """

    playoff_round: int
    other: str
    judge: str
    outcome: str | None
    answers: tuple[Answer, ...]


def meetings(rows: Iterable[Mapping[str, Any]], entry_id: str) -> list[Meeting]:
    """The meetings of an entry, by round.

    Args:
        rows: Of `judge/playoff`: one for each order of a pair.
        entry_id: The entry.
    """
    met: dict[tuple[int, str, str], dict[bool, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        if entry_id not in (row["entry_id"], row["opponent_id"]):
            continue
        was_first = row["entry_id"] == entry_id
        other = row["opponent_id"] if was_first else row["entry_id"]
        # A table of an earlier version has no judge.
        met[row["playoff_round"], other, row.get("judge") or ""][was_first] = row
    return [
        Meeting(number, other, judge, _outcome(orders), tuple(_answers(orders)))
        for (number, other, judge), orders in sorted(met.items())
    ]


def _outcome(orders: Mapping[bool, Mapping[str, Any]]) -> str | None:
    mine_first, mine_second = (orders.get(was_first, {}).get("winner") for was_first in (True, False))
    outcome = combine(mine_first, mine_second)
    return None if outcome is None else _AS_ENTRYS[outcome]


def _answers(orders: Mapping[bool, Mapping[str, Any]]) -> Iterable[Answer]:
    for was_first in (True, False):
        if was_first in orders:
            row = orders[was_first]
            yield Answer(
                shown="first" if was_first else "second",
                outcome=_AS_SHOWN.get((row["winner"], was_first)),
                reason=row.get("reason") or "",
            )
