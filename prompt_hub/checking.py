"""What is wrong with a profile's templates, and what is only doubtful."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from prompt_hub.contracts import contract_doubts
from prompt_hub.errors import TemplateRefused
from prompt_hub.templates import compiled, free_names, syntax_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_hub.schema import PromptProfile, StageTemplate

Place = tuple[str | int, ...]

_TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-z][a-z0-9_]*)>")


@dataclass(frozen=True)
class Problem:
    """What is wrong in a text of a stage's.

    Attributes:
        problem: In words, without a place.
        line: The line within the text; None where it is about the whole.
        variable: The variable that is used and not declared, if that is the problem.
    """

    problem: str
    line: int | None
    variable: str | None = None

    def __str__(self) -> str:
        return self.problem if self.line is None else f"line {self.line} of the text: {self.problem}"

    def is_like(self, other: Problem) -> bool:
        """Whether it is the same problem, on whichever line."""
        return (self.problem, self.variable) == (other.problem, other.variable)


def text_problems(text: str, stage: StageTemplate) -> Iterator[Problem]:
    """What is wrong with a template's text, as one of this stage's."""
    try:
        compiled(text)
    except TemplateRefused as error:
        yield Problem(error.problem, error.line)
        return
    for variable, line in free_names(_tree(text)).items():
        if variable not in stage.variables:
            declared = ", ".join(stage.variables) or "none"
            problem = f"uses {variable!r}, which is not declared; the stage's variables are {declared}"
            yield Problem(problem, line, variable)


def template_problems(profile: PromptProfile) -> Iterator[tuple[Place, Problem]]:
    """What is wrong: places in the profile, and problems. A profile that has one cannot be used."""
    for name, stage in profile.stages.items():
        for text in ("system", "user"):
            for problem in text_problems(getattr(stage, text), stage):
                yield ("stages", name, text), problem


def doubts(profile: PromptProfile) -> Iterator[tuple[Place, str]]:
    """What is doubtful in a profile without problems: in its templates, and in what its stages are given and asked."""
    yield from template_doubts(profile)
    yield from contract_doubts(profile)


def template_doubts(profile: PromptProfile) -> Iterator[tuple[Place, str]]:
    """What is doubtful in the templates: places in the profile, and doubts."""
    for name, stage in profile.stages.items():
        trees = {text: _tree(getattr(stage, text)) for text in ("system", "user")}
        used = {variable for tree in trees.values() for variable in free_names(tree)}
        for variable, declaration in stage.variables.items():
            if declaration.required and variable not in used:
                yield ("stages", name, "variables", variable), "is required but never used"
        for text, tree in trees.items():
            for line, printed in _outside_tags(tree, stage):
                yield (
                    ("stages", name, text),
                    (
                        f"line {line} of the text: prints {printed!r} outside of tags; text from files and people "
                        f"belongs between tags, such as <{printed}> and </{printed}>"
                    ),
                )
            if text == "system":
                for variable, line in free_names(tree).items():
                    yield (
                        ("stages", name, text),
                        (
                            f"line {line} of the text: uses {variable!r}; keep what differs from photo to photo "
                            "in the user message, so that servers can reuse the system message"
                        ),
                    )


# Profiles share most of their texts with those that they extend. Nothing here changes a tree.
_tree = lru_cache(maxsize=16)(syntax_tree)


def _outside_tags(tree: nodes.Template, stage: StageTemplate) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    _follow(tree.body, [], _numbers(stage), found)
    return found


def _numbers(stage: StageTemplate) -> frozenset[str]:
    """The variables that can hold no words."""
    return frozenset(
        name
        for name, declaration in stage.variables.items()
        if declaration.value_schema.get("type") in ("integer", "number", "boolean", "null")
    )


def _follow(
    body: list[nodes.Node], opened: list[str], harmless: frozenset[str], found: list[tuple[int, str]]
) -> None:
    """Go through a body in order with the tags that are open; branches begin with the same ones."""
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    _through(part.data, opened)
                elif not opened and (root := _root(part)) is not None and root not in harmless:
                    found.append((part.lineno, root))
        elif isinstance(node, nodes.If):
            for branch in (node.body, *(other.body for other in node.elif_), node.else_):
                _follow(branch, list(opened), harmless, found)
        elif isinstance(node, nodes.For):
            inside = harmless | {"loop"}
            _follow(node.body, list(opened), inside, found)
            _follow(node.else_, list(opened), harmless, found)


def _through(text: str, opened: list[str]) -> None:
    for tag in _TAG.finditer(text):
        if not tag["end"]:
            opened.append(tag["name"])
        elif tag["name"] in opened:
            while opened.pop() != tag["name"]:
                pass


def _root(node: Any) -> str | None:
    """The variable that an expression prints something of."""
    names: Mapping[str, Any] = {name.name: name for name in node.find_all(nodes.Name)}
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Filter) and node.name == "length":
        return None
    return next(iter(names), None)
