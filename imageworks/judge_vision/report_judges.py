"""Who judged, as a report says it at its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_TIMES: Final = {1: "once", 2: "twice"}


@dataclass(frozen=True, slots=True)
class ReportJudge:
    """A judge of the entries.

    Attributes:
        name: As it was named; its model where nobody named it.
        model: The model that answered.
        samples: How often it was asked about each entry.
    """

    name: str
    model: str
    samples: int = 1

    @property
    def words(self) -> str:
        """The judge, its model where the name is another, and how often it was asked."""
        model = "" if self.name == self.model else f" (model {self.model})"
        return (
            f"{self.name}{model}, asked {_TIMES.get(self.samples, f'{self.samples} times')} about each entry"
        )


def judges_line(judges: Sequence[ReportJudge], compared_by: Collection[str] = ()) -> str:
    """One line on who judged; empty where nobody did.

    Args:
        judges: Of the entries, in their order.
        compared_by: Models that compared the pairs of the playoff; told where they are not the judges' own.
    """
    if not judges:
        return ""
    head = "Judge" if len(judges) == 1 else "Judges"
    line = f"{head}: {'; '.join(judge.words for judge in judges)}."
    others = sorted(set(compared_by) - {judge.model for judge in judges})
    return f"{line} Pairs compared by {' and '.join(others)}." if others else line
