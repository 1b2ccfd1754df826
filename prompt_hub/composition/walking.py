"""Walking a composition for many entries at once: whatever can be asked now is asked together, wave after wave."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from prompt_hub.composition.checking import schema_value
from prompt_hub.composition.graph import AskNode, Constant, OfSchema, RepeatNode, references_of
from prompt_hub.composition.references import INPUT
from prompt_hub.errors import RenderError, VariablesRefused
from prompt_hub.rendering import render
from prompt_hub.testing.asking import Question, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from prompt_hub.composition.graph import Binding, Composition, Node
    from prompt_hub.rendering import Rendered
    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.asking import Ask
    from registry.schema import Model

Read = Callable[[Any, Mapping[str, Any]], Any]
"""From an answer's JSON, and the schema it was asked by, to what later nodes are given of it.

Raises ValueError where it cannot be read."""


@dataclass(frozen=True)
class Entry:
    """What a composition is walked for.

    Attributes:
        inputs: Values of the composition's inputs.
        photos: What stages are shown, each as many of them as it shows pictures.
    """

    inputs: Mapping[str, Any]
    photos: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Step:
    """One asking on the way.

    Attributes:
        node: The node.
        rendered: What was said.
        told: What came of it.
    """

    node: AskNode
    rendered: Rendered
    told: Told


@dataclass(frozen=True)
class Walked:
    """What came of an entry.

    Attributes:
        outputs: The result; None where there is none.
        steps: What was asked, in order.
        failure: Why there is no result; None where there is one.
    """

    outputs: Mapping[str, Any] | None
    steps: tuple[Step, ...]
    failure: str | None

    def as_json(self) -> dict[str, Any]:
        """The result and the way to it, for programs."""
        return {
            "outputs": self.outputs,
            "failure": self.failure,
            "steps": [
                {
                    "node": step.node.name,
                    "profile": step.node.profile_id,
                    "stage": step.node.stage,
                    "stage_hash": step.rendered.stage_hash,
                    "answer": step.told.data,
                    "failure": step.told.failure,
                    "answered_by": step.told.answered_by,
                    "recalled": step.told.recalled,
                }
                for step in self.steps
            ],
        }


class _Failed(Exception):
    pass


_Wave = list[tuple[AskNode, "Rendered"]]
_Walk = Generator[_Wave, list[Told], None]


def walk(
    composition: Composition,
    entries: Sequence[Entry],
    ask: Ask,
    *,
    profiles: Mapping[str, PromptProfile],
    model_of: Callable[[AskNode], Model],
    readers: Mapping[str, Read] | None = None,
) -> list[Walked]:
    """Walk a composition that has no problems; an entry that fails says so and holds up no other.

    Args:
        composition: What is walked.
        entries: For each of which it is.
        ask: Asks models; called once a wave, with the questions of all entries.
        profiles: All effective profiles.
        model_of: Whom a node asks.
        readers: How answers are read, by profile stage; an answer is taken as it is where there is none.

    Raises:
        VariablesRefused: An entry's inputs do not fit; nothing was asked.
    """
    _check_inputs(composition, entries)
    walks = [_EntryWalk(composition, entry, profiles, readers or {}) for entry in entries]
    for one in walks:
        one.begin()
    while questions := [question for one in walks for question in one.questions(model_of)]:
        answers = iter(ask(questions))
        for one in walks:
            one.go_on([next(answers) for _ in one.wave])
    return [one.walked() for one in walks]


def _check_inputs(composition: Composition, entries: Iterable[Entry]) -> None:
    validator = Draft202012Validator(dict(composition.input_schema))
    for entry in entries:
        problem = next(validator.iter_errors(dict(entry.inputs)), None)
        if problem is not None:
            place = "".join(f"[{step!r}]" for step in problem.absolute_path)
            raise VariablesRefused(
                f"The inputs{place} of composition {composition.id} do not fit: {problem.message}."
            )


@dataclass
class _EntryWalk:
    """One entry on its way."""

    composition: Composition
    entry: Entry
    profiles: Mapping[str, PromptProfile]
    readers: Mapping[str, Read]
    wave: _Wave = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    failure: str | None = None
    _way: _Walk = field(init=False)

    def begin(self) -> None:
        self.values[INPUT] = dict(self.entry.inputs)
        self._way = self._whole()
        self._advance(lambda: next(self._way))

    def questions(self, model_of: Callable[[AskNode], Model]) -> list[Question]:
        return [
            Question(model_of(node), rendered, self.entry.photos[: rendered.images])
            for node, rendered in self.wave
        ]

    def go_on(self, told: list[Told]) -> None:
        if self.wave:
            self._advance(lambda: self._way.send(told))

    def walked(self) -> Walked:
        outputs = None
        if self.failure is None:
            outputs = {name: self._value(binding) for name, binding in self.composition.outputs.items()}
        return Walked(outputs, tuple(self.steps), self.failure)

    def _advance(self, step: Callable[[], _Wave]) -> None:
        try:
            self.wave = step()
        except StopIteration:
            self.wave = []
        except _Failed as failed:
            self.wave, self.failure = [], str(failed)

    def _whole(self) -> _Walk:
        waiting: list[Node] = list(self.composition.nodes)
        while waiting:
            names = {node.name for node in waiting}
            ready = [node for node in waiting if not self.composition.before(node) & names]
            waiting = [node for node in waiting if node not in ready]
            yield from self._ask([node for node in ready if isinstance(node, AskNode)])
            for node in ready:
                if isinstance(node, RepeatNode):
                    yield from self._loop(node)

    def _loop(self, loop: RepeatNode) -> _Walk:
        for _ in range(loop.at_most):
            for node in loop.nodes:
                yield from self._ask([node])
            if loop.until.holds(self.values):
                return

    def _ask(self, nodes: list[AskNode]) -> _Walk:
        wave = [
            (node, self._rendered(node))
            for node in nodes
            if node.when is None or node.when.holds(self.values)
        ]
        if not wave:
            return
        answers = yield wave
        for (node, rendered), told in zip(wave, answers, strict=True):
            self.steps.append(Step(node, rendered, told))
        for (node, rendered), told in zip(wave, answers, strict=True):
            if told.failure is not None:
                raise _Failed(f"{node.name} has no answer: {told.failure}")
            self.values[node.name] = self._read(node, rendered, told)

    def _read(self, node: AskNode, rendered: Rendered, told: Told) -> Any:
        reader = self.readers.get(node.stage)
        if reader is None:
            return told.data
        try:
            return reader(told.data, rendered.output_schema)
        except ValueError as error:
            raise _Failed(f"{node.name} has an answer that cannot be read: {error}") from error

    def _rendered(self, node: AskNode) -> Rendered:
        profile = self.profiles[node.profile_id]
        values = {name: self._value(binding, node) for name, binding in node.bindings.items()}
        try:
            rendered = render(
                profile, node.stage, {name: value for name, value in values.items() if value is not None}
            )
        except RenderError as error:
            raise _Failed(f"{node.name} cannot be asked: {error}") from error
        if rendered.images > len(self.entry.photos):
            raise _Failed(
                f"{node.name} shows {rendered.images} pictures, and the entry has {len(self.entry.photos)}"
            )
        return rendered

    def _value(self, binding: Binding, node: AskNode | None = None) -> Any:
        if isinstance(binding, Constant):
            return binding.value
        if isinstance(binding, OfSchema):
            return None if node is None else schema_value(self._output(node), binding)
        found = (reference.value_in(self.values) for reference in references_of(binding))
        return next((value for value in found if value is not None), None)

    def _output(self, node: AskNode) -> Mapping[str, Any]:
        return self.profiles[node.profile_id].stage(node.stage).output
