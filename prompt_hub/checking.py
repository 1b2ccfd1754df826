"""What is wrong with a profile's templates, and what is only doubtful."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jinja2 import nodes

from prompt_hub.errors import TemplateRefused
from prompt_hub.templates import compiled, free_names, syntax_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from prompt_hub.schema import PromptProfile, StageTemplate

Place = tuple[str | int, ...]

_TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-z][a-z0-9_]*)>")


def template_problems(profile: PromptProfile) -> Iterator[tuple[Place, str]]:
    """What is wrong: places in the profile, and problems. A profile that has one cannot be used."""
    for name, stage in profile.stages.items():
        for text in ("system", "user"):
            place = ("stages", name, text)
            try:
                compiled(getattr(stage, text))
                used = free_names(syntax_tree(getattr(stage, text)))
            except TemplateRefused as error:
                yield place, str(error)
                continue
            for variable, line in used.items():
                if variable not in stage.variables:
                    declared = ", ".join(stage.variables) or "none"
                    yield (
                        place,
                        (
                            f"line {line} of the text: uses {variable!r}, which is not declared; "
                            f"the stage's variables are {declared}"
                        ),
                    )


def template_warnings(profile: PromptProfile) -> Iterator[tuple[Place, str]]:
    """What is doubtful in a profile without problems: places in the profile, and doubts."""
    for name, stage in profile.stages.items():
        trees = {text: syntax_tree(getattr(stage, text)) for text in ("system", "user")}
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


def stage_warnings(
    profile: PromptProfile, shipped: Mapping[str, PromptProfile]
) -> Iterator[tuple[Place, str]]:
    """Where a stage has other variables or answers than the shipped ones of its application.

    What an application gives and reads is known to it alone, on a floor above; the shipped profiles fit it.
    """
    for name, stage in profile.stages.items():
        like = next(
            (
                other.stages[name]
                for other in shipped.values()
                if other.application == profile.application and name in other.stages
            ),
            None,
        )
        if like is None:
            continue
        needed = {variable for variable, declaration in stage.variables.items() if declaration.required}
        yield from _unlike(
            ("stages", name, "variables"), like.variables.keys(), stage.variables.keys(), needed
        )
        usual, fields = _answer_fields(like), _answer_fields(stage)
        yield from _unlike(("stages", name, "output"), usual, fields, set(fields))


def _answer_fields(stage: StageTemplate) -> list[str]:
    answer: Mapping[str, Any] = stage.output
    return list(answer["properties"])


def _unlike(
    place: Place, usual: Collection[str], there: Collection[str], needed: set[str]
) -> Iterator[tuple[Place, str]]:
    kind = "given" if place[-1] == "variables" else "read"
    for name in usual:
        if name not in there:
            yield place, f"has no {name}, which is {kind}: a run refuses this stage"
    for name in sorted(needed.difference(usual)):
        yield place, f"has {name}, which is not {kind}: a run refuses this stage"


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
