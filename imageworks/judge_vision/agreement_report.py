"""Agreement in words: lines for a terminal, and one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.counting import counted
from imageworks.page import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imageworks.judge_vision.agreement import Agreement

UNKNOWN = "-"
"""What stands where the marks do not determine a coefficient."""


def number(value: float | None, *, signed: bool = False) -> str:
    """A coefficient or a number of marks with two decimals."""
    if value is None:
        return UNKNOWN
    # Minus nothing is nothing.
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}" if signed else f"{rounded:.2f}"


def heading(one: Agreement) -> str:
    """What an agreement is about."""
    if one.category is None:
        return "All entries"
    return one.category or "Without a category"


def told(found: Sequence[Agreement]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For a terminal: what each agreement is about, and the lines below it."""
    for one in found:
        people = [
            f"{each.name}: {counted(each.marks, 'entry', 'entries')}, Spearman {number(each.spearman)}, "
            f"mean error {number(each.mean_error)}, bias {number(each.bias, signed=True)}"
            for each in (*one.people, one.panel)
        ]
        places = f"announced places with the mean of all people: Spearman {number(one.places)}"
        among = (
            f"people among themselves: Kendall's W {number(one.concordance)} over "
            f"{counted(one.marked_by_all, 'entry', 'entries')}; Krippendorff's alpha "
            f"{number(one.alpha['interval'])} by marks, {number(one.alpha['ordinal'])} by order"
        )
        with_judge = (
            f"with the judge as one of them: alpha {number(one.alpha_with_judge['interval'])} by marks, "
            f"{number(one.alpha_with_judge['ordinal'])} by order"
        )
        about = f"{heading(one)}: {counted(one.entries, 'entry', 'entries')} marked by {_people(one)}"
        yield about, (*people, places, among, with_judge)


def render_agreement(found: Sequence[Agreement], *, batch: str, models: Sequence[str]) -> str:
    """The page as HTML, UTF-8 text. It needs no script, no network and no other file.

    Args:
        found: As `agreement.agreements` gives them.
        batch: What was judged.
        models: Who judged it.
    """
    return render_page(
        "judge_vision/agreement.html",
        {"found": found, "batch": batch, "models": models, "number": number, "heading": heading},
    )


def _people(one: Agreement) -> str:
    return counted(len(one.people), "person", "people")
