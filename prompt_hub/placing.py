"""Which file and line a template's problem comes from: the stage's own text, or the partial that brought it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_hub.checking import text_problems
from prompt_hub.partials import included, with_partials
from prompt_hub.schema import template_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.checking import Place, Problem
    from prompt_hub.errors import FileProblem
    from prompt_hub.layers import LayeredProfile
    from prompt_hub.schema import StageTemplate


def placed(layered: LayeredProfile, stage: StageTemplate, place: Place, problem: Problem) -> FileProblem:
    """A problem of a stage's text where it was written.

    Args:
        layered: The profile.
        stage: Its stage, as effective.
        place: The text's place.
        problem: What is wrong in it.
    """
    partials: Mapping[str, str] = layered.content.get("partials", {})
    _, name, text = place
    place, problem = _innermost(str(layered.content["stages"][name][text]), partials, stage, (place, problem))
    told = str(problem)
    if problem.variable is not None:
        taken = layered.removed.get(("stages", name, "variables", problem.variable))
        if taken is not None:
            told = f"{told}; {taken.file}:{taken.line} takes it away"
    return layered.problem(place, told)


def doubt_placed(layered: LayeredProfile, place: Place, doubt: str) -> FileProblem:
    """A doubt where the user can end it: a shipped variable that a text of theirs uses no more, at that text.

    Args:
        layered: The profile.
        place: The doubt's place.
        doubt: What is doubtful, in words.
    """
    declared = layered.origins.get(place)
    if place[2:3] == ("variables",) and declared is not None and declared.layer != "user":
        for text in ("user", "system"):
            own = (*place[:2], text)
            if own in layered.origins and layered.origins[own].layer == "user":
                told = f"variable {place[3]} {doubt}; use it here, or declare it `required: false`"
                return layered.problem(own, told)
    return layered.problem(place, doubt)


def _innermost(
    text: str, partials: Mapping[str, str], stage: StageTemplate, found: tuple[Place, Problem]
) -> tuple[Place, Problem]:
    """The partial in which the same is wrong and that includes no such partial; else what was found."""
    for name in included(text):
        own = template_text(partials[name])
        for problem in text_problems(with_partials(own, partials), stage):
            if problem.is_like(found[1]):
                return _innermost(own, partials, stage, (("partials", name), problem))
    return found
