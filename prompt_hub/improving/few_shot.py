"""Demonstrations: the examples with the best answers, shown in the prompt as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prompt_hub.errors import NothingToChange
from prompt_hub.exchange.jinja_text import literal
from prompt_hub.improving.candidates import PARTIAL
from prompt_hub.quoting import quoted
from prompt_hub.rendering import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_hub.improving.candidates import Candidate, Subject
    from prompt_hub.improving.examples import Example
    from prompt_hub.testing.asking import Told

SECTION: Final = "examples"


def with_demonstrations(
    subject: Subject,
    examples: Sequence[Example],
    answers: Sequence[Told],
    scores: Sequence[float],
    count: int,
) -> Candidate:
    """The stage's texts with the best answers shown: in its partial `examples`, or at the end of its system text.

    Args:
        subject: The stage.
        examples: Those that it learns from.
        answers: What it answered.
        scores: How good each answer is.
        count: How many to show.

    Raises:
        NothingToChange: Neither text may change.
    """
    name = f"{PARTIAL}{SECTION}" if f"{PARTIAL}{SECTION}" in subject.seed else "system"
    if name not in subject.seed:
        raise NothingToChange(
            "Demonstrations go into the partial examples or the system text; both are frozen."
        )
    order = sorted(range(len(examples)), key=lambda index: (-scores[index], index))
    shown = [
        f"<example>\n<given>\n{_text(render(subject.profile, subject.stage, examples[index].values).user)}\n</given>\n"
        f"<answer>\n{_text(answers[index].text)}\n</answer>\n</example>"
        for index in order
        if answers[index].failure is None
    ][:count]
    said = "# Examples\nGood answers to other photos, as material:\n" + "\n".join(shown)
    before = "" if name != "system" else f"{subject.seed[name]}\n\n"
    return {**subject.seed, name: before + said}


def _text(text: str) -> str:
    return literal(quoted(text))
