"""What a composition is: nodes that ask profile stages, conditions, loops, and where each value comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from prompt_hub.composition.references import INPUT, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.yaml_reading import FieldPath, YamlDocument

MAX_ROUNDS: Final = 5

Comparison = Literal["equals", "in", "present", "at_least", "at_most"]


@dataclass(frozen=True)
class Constant:
    """A value that is the same for all."""

    value: Any

    def __str__(self) -> str:
        return json.dumps(self.value, ensure_ascii=False)


@dataclass(frozen=True)
class OfSchema:
    """What the schema of the stage's own answer says at a place, such as `properties.keywords.maxItems`."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"schema {'.'.join(self.path)}"


@dataclass(frozen=True)
class Either:
    """The first of some references that is there."""

    references: tuple[Reference, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.references))


Binding = Reference | Constant | OfSchema | Either


@dataclass(frozen=True)
class Condition:
    """Something about one field; what is not there, or null, meets no comparison but `present: false`.

    Attributes:
        field: The field.
        comparison: How it is looked at.
        value: What it is compared with.
    """

    field: Reference
    comparison: Comparison
    value: Any

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds for answers by node and the inputs."""
        found = self.field.value_in(values)
        if self.comparison == "present":
            return (found is not None) is self.value
        if found is None:
            return False
        if self.comparison == "equals":
            return _same(found, self.value)
        if self.comparison == "in":
            return any(_same(found, one) for one in self.value)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return bool(found >= self.value if self.comparison == "at_least" else found <= self.value)

    def __str__(self) -> str:
        words = self.comparison.replace("_", " ")
        return f"{self.field} {words} {json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class AskNode:
    """Asks a profile stage once.

    Attributes:
        name: Its name; references use it.
        profile_id: The profile.
        stage: Its stage.
        model: A model or role to ask; None for the role that the stage is asked by.
        bindings: Where each of the stage's variables comes from.
        when: Asked only if it holds.
        place: Where its file declares it.
    """

    name: str
    profile_id: str
    stage: str
    model: str | None
    bindings: Mapping[str, Binding]
    when: Condition | None
    place: FieldPath

    @property
    def references(self) -> Iterator[Reference]:
        """Everything that it refers to."""
        for binding in self.bindings.values():
            yield from references_of(binding)
        if self.when is not None:
            yield self.when.field


@dataclass(frozen=True)
class RepeatNode:
    """Asks nodes in their order, round after round.

    What a node refers to and what comes later in the round, or is itself, is of the round before.

    Attributes:
        name: Its name.
        nodes: What is asked in a round.
        until: Ends it after a round in which it holds.
        at_most: Rounds.
        place: Where its file declares it.
    """

    name: str
    nodes: tuple[AskNode, ...]
    until: Condition
    at_most: int
    place: FieldPath

    @property
    def references(self) -> Iterator[Reference]:
        """Everything that its nodes refer to, and its end."""
        for node in self.nodes:
            yield from node.references
        yield self.until.field


Node = AskNode | RepeatNode


@dataclass(frozen=True)
class Composition:
    """A graph of profile stages.

    Attributes:
        id: Its name.
        description: What it is for.
        input_schema: JSON Schema of the object that each entry has to give.
        nodes: What is asked. Outside of loops their order says nothing.
        outputs: Where each field of the result comes from.
        document: Its file, for messages.
    """

    id: str
    description: str
    input_schema: Mapping[str, Any]
    nodes: tuple[Node, ...]
    outputs: Mapping[str, Binding]
    document: YamlDocument

    @property
    def ask_nodes(self) -> Iterator[AskNode]:
        """All nodes that ask, those in loops too."""
        for node in self.nodes:
            yield from (node,) if isinstance(node, AskNode) else node.nodes

    @property
    def owners(self) -> dict[str, str]:
        """For each node that asks, the node outside of loops that it is or is in."""
        return {
            inner.name: node.name
            for node in self.nodes
            for inner in ((node,) if isinstance(node, AskNode) else node.nodes)
        }

    def before(self, node: Node) -> set[str]:
        """The nodes outside of loops that have to be done before this one."""
        owners = self.owners
        named = {owners[one.source] for one in node.references if one.source in owners}
        # Within a loop the order of its nodes says it.
        return named - {node.name} if isinstance(node, RepeatNode) else named


def references_of(binding: Binding) -> tuple[Reference, ...]:
    """What a binding refers to."""
    if isinstance(binding, Either):
        return binding.references
    return (binding,) if isinstance(binding, Reference) else ()


def of_inputs(reference: Reference) -> bool:
    """Whether it refers to the inputs."""
    return reference.source == INPUT


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return isinstance(one, bool) is isinstance(other, bool) and one == other
