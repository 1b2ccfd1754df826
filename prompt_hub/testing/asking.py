"""How prompt tests reach a model: by a function that whoever calls them hands in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_hub.rendering import Rendered
    from registry.schema import Model


@dataclass(frozen=True)
class Question:
    """One asking of one model.

    Attributes:
        model: Whom.
        rendered: What is said.
        photos: What is shown, in order.
        sample: 0, 1, 2 … where the same is asked several times on purpose.
    """

    model: Model
    rendered: Rendered
    photos: tuple[Path, ...] = ()
    sample: int = 0


@dataclass(frozen=True)
class Told:
    """What came of it.

    Attributes:
        text: The raw text; empty if there is none.
        data: The answer's JSON, which fits the schema that was asked for; None for a failure.
        failure: Why there is no answer; None where there is one.
        recalled: Whether it was known from before.
        answered_by: Id of the request that was answered.
        latency_ms: Milliseconds to the answer, the wait for a device left out; None where unknown.
        tokens: Of question and answer; None where nobody counted.
    """

    text: str
    data: Any
    failure: str | None
    recalled: bool
    answered_by: str | None
    latency_ms: float | None = None
    tokens: int | None = None


Ask = Callable[[Sequence[Question]], Sequence[Told]]
"""Asks all questions, and tells what came of each, in their order."""
