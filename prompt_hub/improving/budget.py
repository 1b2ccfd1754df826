"""Requests that may be made, and the one place that makes them: what was answered before costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_hub.testing.asking import Ask, Question, Told


class BudgetSpent(Exception):
    """There is no request left for a question; the search ends with what it has."""


class Budget:
    """Asks no more than it may.

    Attributes:
        limit: Requests that may be made.
        used: Requests that were made.
        recalled: Answers that were known from before.
        reserved: Requests that are kept for the end.
    """

    def __init__(self, limit: int, ask: Ask, *, told: Callable[[int, int], None]) -> None:
        self.limit = limit
        self.used = 0
        self.recalled = 0
        self.reserved = 0
        self._ask = ask
        self._told = told

    def ask(self, questions: Sequence[Question]) -> list[Told]:
        """The answers, in order.

        Raises:
            BudgetSpent: They cannot all be asked; those that could were.
        """
        answers: list[Told] = []
        while len(answers) < len(questions):
            left = self.limit - self.reserved - self.used
            if left <= 0:
                raise BudgetSpent
            # As many as may all be asked anew; what is recalled leaves room for more.
            found = list(self._ask(questions[len(answers) : len(answers) + left]))
            fresh = sum(not told.recalled for told in found)
            self.used += fresh
            self.recalled += len(found) - fresh
            answers += found
            self._told(self.used, self.limit)
        return answers
