"""A table on a terminal: a line a test, and below it what was found against those that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from prompt_hub.showing import show
from prompt_hub.testing.reports.printable import line
from prompt_hub.testing.reports.words import against, rate_words, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_hub.testing.outcomes import SetOutcome


def show_table(outcomes: Sequence[SetOutcome]) -> None:
    """Print it."""
    with_models = any(outcome.model for outcome in outcomes)
    show(
        ["profile", *(["model"] if with_models else []), "set", "stage", "test", "result", "rate"],
        (
            [
                outcome.reference,
                *([outcome.model] if with_models else []),
                outcome.set_name,
                test.stage,
                line(test.test),
                test.state,
                rate_words(test),
            ]
            for outcome in outcomes
            for test in outcome.tests
        ),
    )
    for text in remarks(outcomes):
        typer.echo(text)
    typer.echo(summary(outcomes))


def remarks(outcomes: Sequence[SetOutcome]) -> Iterator[str]:
    """What was found against each test that did not pass, and what is doubtful."""
    for outcome in outcomes:
        who = " ".join(filter(None, [outcome.reference, outcome.model, outcome.set_name]))
        for test in outcome.tests:
            if test.state != "passed":
                yield f"{test.state}: {who}: {line(test.test)}"
                yield from (f"    {line(words)}" for words in against(test))
        yield from (f"warning: {outcome.reference}: {line(doubt)}" for doubt in outcome.doubts)
