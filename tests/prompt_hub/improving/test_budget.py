"""A budget counts what is asked anew, and never lets more be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.improving.budget import Budget, BudgetSpent
from prompt_hub.testing.asking import Told


@given(st.integers(1, 10), st.integers(0, 3), st.lists(st.lists(st.booleans(), max_size=6), max_size=6))
def test_no_more_is_asked_than_may_be_whatever_is_recalled(limit, reserved, batches):
    asked = []

    def ask(questions):
        asked.extend(recalled for recalled in questions if not recalled)
        return [Told("", None, None, recalled, None) for recalled in questions]

    budget = Budget(limit, ask, told=lambda used, whole: None)
    budget.reserved = reserved
    for batch in batches:
        try:
            assert len(budget.ask(batch)) == len(batch)
        except BudgetSpent:
            break
    assert len(asked) == budget.used <= max(limit - reserved, 0)


def test_what_is_recalled_costs_nothing_and_makes_room():
    budget = Budget(
        2, lambda questions: [Told("", None, None, True, None)] * len(questions), told=lambda *_: None
    )
    assert len(budget.ask(list(range(9)))) == 9
    assert (budget.used, budget.recalled) == (0, 9)
    with pytest.raises(BudgetSpent):
        Budget(0, lambda _: [], told=lambda *_: None).ask([1])
