"""What is wrong with a composition before anything is asked: names, circles, values that do not fit, dead nodes."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from prompt_hub.composition.graph import (
    AskNode,
    Constant,
    Either,
    OfSchema,
    RepeatNode,
    of_inputs,
    references_of,
)
from prompt_hub.composition.references import INPUT, Found, look_up
from prompt_hub.contracts import types_of
from registry.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_hub.composition.graph import Binding, Composition, Condition
    from prompt_hub.composition.references import Reference
    from prompt_hub.schema import PromptProfile, StageTemplate
    from store.yaml_reading import FieldPath

Problem = tuple["FieldPath", str]

_NUMBERS = frozenset({"integer", "number"})


def problems_of(composition: Composition, profiles: Mapping[str, PromptProfile]) -> Iterator[Problem]:
    """Everything that is wrong: places in the composition's file, and problems."""
    stages: dict[str, StageTemplate] = {}
    for asking in composition.ask_nodes:
        profile = profiles.get(asking.profile_id)
        if profile is None:
            known = ", ".join(profiles)
            hint = did_you_mean(asking.profile_id, profiles)
            problem = f"there is no profile {asking.profile_id!r}; {hint}there are {known}"
            yield (*asking.place, "profile"), problem
        elif asking.stage not in profile.stages:
            known = ", ".join(profile.stages) or "none"
            hint = did_you_mean(asking.stage, profile.stages)
            problem = f"profile {asking.profile_id!r} has no stage {asking.stage!r}; {hint}it has {known}"
            yield (*asking.place, "stage"), problem
        else:
            stages[asking.name] = profile.stages[asking.stage]
    checking = _Checking(composition, stages)
    for node in composition.nodes:
        if isinstance(node, AskNode):
            yield from checking.node(node, _Around())
        else:
            yield from checking.loop(node)
    for name, binding in composition.outputs.items():
        yield from checking.binding(binding, ("outputs", name), _Around())
    yield from _circle(composition)
    yield from _dead(composition)


@dataclass(frozen=True)
class _Around:
    """What is known where a reference stands.

    Attributes:
        later: Nodes whose answer is of the round before, so that in the first round there is none.
        sure: A field that is there although it need not be, as a condition on it holds.
    """

    later: frozenset[str] = frozenset()
    sure: Reference | None = None


@dataclass(frozen=True)
class _Checking:
    """Looks at each part with what is known of the stages."""

    composition: Composition
    stages: Mapping[str, StageTemplate]

    def loop(self, loop: RepeatNode) -> Iterator[Problem]:
        names = [node.name for node in loop.nodes]
        for index, node in enumerate(loop.nodes):
            yield from self.node(node, _Around(later=frozenset(names[index:])))
        place: FieldPath = (*loop.place, "repeat", "until")
        if loop.until.field.source not in names:
            yield (*place, "field"), "must be of a node of the loop: nothing else changes from round to round"
        yield from self.condition(loop.until, place)

    def node(self, node: AskNode, around: _Around) -> Iterator[Problem]:
        if node.when is not None:
            yield from self.condition(node.when, (*node.place, "when"))
            if not (node.when.comparison == "present" and node.when.value is False):
                around = _Around(around.later, node.when.field)
        stage = self.stages.get(node.name)
        if stage is None:
            return
        for variable, declaration in stage.variables.items():
            if declaration.required and variable not in node.bindings:
                yield (*node.place, "with"), f"does not say where the required variable {variable} comes from"
        for variable, binding in node.bindings.items():
            place: FieldPath = (*node.place, "with", variable)
            if variable not in stage.variables:
                known = ", ".join(stage.variables) or "none"
                hint = did_you_mean(variable, stage.variables)
                yield (
                    place,
                    f"is no variable of {node.profile_id}/{node.stage}; {hint}its variables are {known}",
                )
                continue
            yield from self.binding(binding, place, around, (stage, variable))

    def binding(
        self,
        binding: Binding,
        place: FieldPath,
        around: _Around,
        of: tuple[StageTemplate, str] | None = None,
    ) -> Iterator[Problem]:
        """What is wrong with where a variable of a stage, or a field of the result, comes from."""
        stage, variable = (None, "") if of is None else of
        declaration = None if stage is None else stage.variables[variable]
        wanted: Mapping[str, Any] = {} if declaration is None else declaration.value_schema
        if isinstance(binding, Constant | OfSchema):
            yield from _known_value(binding, place, stage, wanted)
            return
        certain = False
        for index, reference in enumerate(references_of(binding)):
            at = (*place, "either", index) if isinstance(binding, Either) else place
            found = self.found(reference)
            if isinstance(found, str):
                yield at, found
                return
            is_there = found.is_certain and self.has_answered(reference, around)
            certain = certain or is_there or reference == around.sure
            given = set(types_of(found.schema)) - {"null"}
            takes = set(types_of(wanted)) | ({"integer"} if "number" in types_of(wanted) else set())
            if takes and given and not given <= takes:
                yield (
                    at,
                    f"is {' or '.join(sorted(given))}, and {variable} is {' or '.join(types_of(wanted))}",
                )
        if not certain and (declaration is None or declaration.required):
            what = f"the required variable {variable}" if declaration is not None else "a field of the result"
            yield place, f"may not be there, and it is {what}; give another reference in `either`"

    def condition(self, condition: Condition, place: FieldPath) -> Iterator[Problem]:
        found = self.found(condition.field)
        if isinstance(found, str):
            yield (*place, "field"), found
            return
        at = (*place, condition.comparison)
        kinds = set(types_of(found.schema))
        if condition.comparison in ("at_least", "at_most"):
            if kinds and not kinds & _NUMBERS:
                yield at, f"is for numbers, and {condition.field} is {' or '.join(sorted(kinds))}"
        elif condition.comparison in ("equals", "in"):
            values = condition.value if condition.comparison == "in" else [condition.value]
            validator = Draft202012Validator(dict(found.schema))
            for value in values:
                if not validator.is_valid(value):
                    yield at, f"{condition.field} can never be {value!r}"

    def found(self, reference: Reference) -> Found | str:
        """What is known of a reference's place, or what is wrong with it."""
        if of_inputs(reference):
            schema: Mapping[str, Any] = self.composition.input_schema
        elif reference.source in self.stages:
            schema = self.stages[reference.source].output
        else:
            names = [node.name for node in self.composition.ask_nodes]
            if reference.source in names:
                return Found({}, is_certain=True)  # what is wrong with that node is told there
            sources = (INPUT, *names)
            hint = did_you_mean(reference.source, sources)
            return f"there is no node {reference.source!r}; {hint}there are {', '.join(sources)}"
        found = look_up(schema, reference.path)
        if found is None:
            known = ", ".join(schema.get("properties", {})) or "none"
            return f"{reference} can never be there; the fields of {reference.source} are {known}"
        return found

    def has_answered(self, reference: Reference, around: _Around) -> bool:
        """Whether a node has answered whenever somebody refers to it."""
        if of_inputs(reference) or (around.sure is not None and reference.source == around.sure.source):
            return True
        if reference.source in around.later:
            return False
        return all(node.when is None for node in self.composition.ask_nodes if node.name == reference.source)


def _known_value(
    binding: Constant | OfSchema, place: FieldPath, stage: StageTemplate | None, wanted: Mapping[str, Any]
) -> Iterator[Problem]:
    if isinstance(binding, Constant):
        value = binding.value
    elif stage is None:
        yield place, "has no stage of its own whose answer's schema could say it"
        return
    else:
        value = schema_value(stage.output, binding)
        if value is None:
            yield place, f"the schema of the stage's answer says nothing at {'.'.join(binding.path)}"
            return
    error = next(Draft202012Validator(dict(wanted)).iter_errors(value), None)
    if error is not None:
        yield place, f"misses the variable's schema: {error.message}"


def schema_value(schema: Mapping[str, Any], binding: OfSchema) -> Any:
    """What the schema of an answer says at a place; None where it says nothing."""
    value: Any = schema
    for step in binding.path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _circle(composition: Composition) -> Iterator[Problem]:
    by_name = {node.name: node for node in composition.nodes}
    graph = {name: composition.before(node) for name, node in by_name.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        problem = f"waits for itself: {' → '.join(reversed(circle))}; a loop is a node with `repeat`"
        yield by_name[circle[0]].place, problem


def _dead(composition: Composition) -> Iterator[Problem]:
    """Nodes and inputs that nothing in the result rests on."""
    owners, by_name = composition.owners, {node.name: node for node in composition.nodes}
    used = {one for binding in composition.outputs.values() for one in references_of(binding)}
    alive: set[str] = set()
    waiting = {owners[one.source] for one in used if one.source in owners}
    while waiting:
        node = by_name[waiting.pop()]
        alive.add(node.name)
        used.update(node.references)
        waiting |= composition.before(node) - alive
    sources = {one.source for one in used}
    for node in composition.nodes:
        if node.name not in alive:
            yield node.place, "nothing in the outputs rests on its answer; take it out"
        elif isinstance(node, RepeatNode):
            for inner in node.nodes:
                if inner.name not in sources:
                    yield inner.place, "nothing uses its answer; take it out"
    for name in composition.input_schema.get("properties", {}):
        if not any(of_inputs(one) and one.path[0] == name for one in used):
            yield ("inputs", name), "nothing uses it; take it out"
