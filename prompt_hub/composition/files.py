"""Files of compositions, read strictly: the shipped ones, and the user's in `compositions` of their layer."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from prompt_hub.composition.checking import problems_of
from prompt_hub.composition.graph import (
    MAX_ROUNDS,
    AskNode,
    Binding,
    Comparison,
    Composition,
    Condition,
    Constant,
    Either,
    Node,
    OfSchema,
    RepeatNode,
)
from prompt_hub.composition.references import INPUT, Reference
from prompt_hub.errors import CompositionFileError, FileProblem, UnknownComposition
from prompt_hub.json_schemas import variable_problems
from prompt_hub.picoschema import Compiling
from prompt_hub.schema import PROFILE_ID, ProfileId, PromptProfile, StageName
from registry.nearest import did_you_mean
from store.yaml_reading import FieldPath, YamlDocument, YamlError, field_text, read_yaml_document

SHIPPED: Final = Path(__file__).parents[1] / "compositions"
FOLDER: Final = "compositions"
MAX_NODES: Final = 40

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_COMPARISONS: Final[tuple[Comparison, ...]] = ("equals", "in", "present", "at_least", "at_most")

NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Written(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, regex_engine="python-re"
    )


class ConditionFile(_Written):
    """A condition as written: a field and one comparison."""

    field: str
    equals: JsonValue = None
    one_of: list[JsonValue] | None = Field(default=None, alias="in")
    present: bool | None = None
    at_least: int | float | None = None
    at_most: int | float | None = None


class AskFile(_Written):
    """A node that asks, as written."""

    stage: StageName
    profile: ProfileId | None = None
    model: ModelName | None = None
    bindings: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    when: ConditionFile | None = None


class RepeatFile(_Written):
    """A loop as written."""

    nodes: Annotated[dict[NodeName, AskFile], Field(min_length=1)]
    until: ConditionFile
    at_most: Annotated[int, Field(ge=1, le=MAX_ROUNDS)]


class LoopFile(_Written):
    """A node that is a loop, as written."""

    repeat: RepeatFile


class CompositionFile(_Written):
    """A composition as written."""

    id: Annotated[str, StringConstraints(pattern=PROFILE_ID)]
    description: str = ""
    profile: ProfileId | None = None
    inputs: dict[str, JsonValue]
    nodes: Annotated[dict[NodeName, dict[str, JsonValue]], Field(min_length=1)]
    outputs: Annotated[dict[str, JsonValue], Field(min_length=1)]


def load_compositions(
    prompts_folder: Path | None, profiles: Mapping[str, PromptProfile]
) -> dict[str, Composition]:
    """All compositions by id, checked against the profiles; one of the user's stands in for a shipped one of its id.

    Args:
        prompts_folder: The user's layer of profiles, whose folder `compositions` has theirs; None for none.
        profiles: All effective profiles.

    Raises:
        CompositionFileError: A file is broken, or does not fit the profiles; all that is wrong in all files.
    """
    problems: list[FileProblem] = []
    found: dict[str, Composition] = {}
    folders = [SHIPPED] if prompts_folder is None else [SHIPPED, prompts_folder / FOLDER]
    for folder in folders:
        layer: dict[str, Composition] = {}
        for path in _files(folder):
            read = read_composition(path)
            if isinstance(read, tuple):
                problems.extend(read)
                continue
            twin = layer.setdefault(read.id, read)
            if twin is not read:
                line = read.document.line_of(("id",))
                problem = f"{read.id!r} is also in {twin.document.source}; give one of the two another id"
                problems.append(FileProblem(str(path), line, "id", problem))
        found.update(layer)
    for one in found.values():
        problems.extend(
            FileProblem(one.document.source, one.document.line_of(place), field_text(place), problem)
            for place, problem in problems_of(one, profiles)
        )
    if problems:
        raise CompositionFileError(tuple(problems))
    return dict(sorted(found.items()))


def composition_named(name: str, compositions: Mapping[str, Composition]) -> Composition:
    """The composition of this id.

    Raises:
        UnknownComposition: There is none; names the nearest ones.
    """
    if name in compositions:
        return compositions[name]
    nearest = difflib.get_close_matches(name, compositions, n=3)
    hint = f"Did you mean {' or '.join(nearest)}?" if nearest else f"There are {', '.join(compositions)}."
    raise UnknownComposition(f"No composition is called {name!r}. {hint}")


def read_composition(path: Path) -> Composition | tuple[FileProblem, ...]:
    """Read one file: its composition, not yet held to any profile, or what is wrong with it."""
    try:
        document = read_yaml_document(path)
    except YamlError as error:
        return (FileProblem(error.source, error.line, error.field, error.problem),)
    reading = _Reading()
    composition = reading.composition(document)
    if composition is not None and not reading.problems:
        return composition
    return tuple(
        FileProblem(document.source, document.line_of(place), field_text(place), problem)
        for place, problem in reading.problems
    )


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problem = f"cannot be listed: {error.strerror or error}"
        raise CompositionFileError((FileProblem(str(folder), None, "", problem),)) from error
    return [path for path in found if path.suffix in _SUFFIXES and not path.name.startswith(".")]


class _Reading:
    """From what is written to a graph, with everything that is wrong on the way."""

    def __init__(self) -> None:
        self.problems: list[tuple[FieldPath, str]] = []
        self._names: set[str] = {INPUT}

    def composition(self, document: YamlDocument) -> Composition | None:
        written = self._validated(CompositionFile, document.value, ())
        if written is None:
            return None
        return Composition(
            id=written.id,
            description=written.description,
            input_schema=self._inputs(written.inputs),
            nodes=tuple(self._nodes(written)),
            outputs={
                name: binding
                for name, value in written.outputs.items()
                if (binding := self._binding(value, ("outputs", name))) is not None
            },
            document=document,
        )

    def _validated(self, shape: Any, value: Any, place: FieldPath) -> Any:
        try:
            return shape.model_validate(value)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                steps = tuple(step for step in found["loc"] if step != "[key]")
                self.problems.append(((*place, *steps), _in_words(found, shape)))
            return None

    def _inputs(self, written: dict[str, Any]) -> Mapping[str, Any]:
        if written.get("type") == "object" and isinstance(written.get("properties"), dict):
            schema = written
        else:
            compiling = Compiling()
            schema = compiling.object(written, ("inputs",), ("inputs",))
            self.problems.extend(compiling.problems)
        self.problems.extend((("inputs", *place), problem) for place, problem in variable_problems(schema))
        return schema

    def _nodes(self, written: CompositionFile) -> Iterator[Node]:
        for name, value in written.nodes.items():
            place: FieldPath = ("nodes", name)
            self._take(name, place)
            if "repeat" not in value:
                node = self._validated(AskFile, value, place)
                if node is not None:
                    yield from self._ask(name, node, written.profile, place)
                continue
            loop = self._validated(LoopFile, value, place)
            if loop is None:
                continue
            inside: FieldPath = (*place, "repeat")
            nodes: list[AskNode] = []
            for inner, one in loop.repeat.nodes.items():
                self._take(inner, (*inside, "nodes", inner))
                nodes.extend(self._ask(inner, one, written.profile, (*inside, "nodes", inner)))
            until = self._condition(loop.repeat.until, (*inside, "until"))
            if until is not None:
                yield RepeatNode(name, tuple(nodes), until, loop.repeat.at_most, place)

    def _take(self, name: str, place: FieldPath) -> None:
        if len(self._names) == MAX_NODES + 1:
            self.problems.append((place, f"is one too many: a composition has at most {MAX_NODES} nodes"))
        if name in self._names:
            what = "stands for the inputs" if name == INPUT else "is the name of another node"
            self.problems.append((place, f"{name!r} {what}; give this one another name"))
        self._names.add(name)

    def _ask(self, name: str, written: AskFile, profile: str | None, place: FieldPath) -> Iterator[AskNode]:
        profile_id = written.profile or profile
        if profile_id is None:
            self.problems.append((place, "names no profile, and neither does the composition"))
            return
        bindings = {
            variable: binding
            for variable, value in written.bindings.items()
            if (binding := self._binding(value, (*place, "with", variable))) is not None
        }
        when = None if written.when is None else self._condition(written.when, (*place, "when"))
        yield AskNode(name, profile_id, written.stage, written.model, bindings, when, place)

    def _condition(self, written: ConditionFile, place: FieldPath) -> Condition | None:
        said = {(ConditionFile.model_fields[name].alias or name): name for name in written.model_fields_set}
        comparisons = [name for name in _COMPARISONS if name in said]
        if len(comparisons) != 1:
            self.problems.append((place, f"needs a field and exactly one of {', '.join(_COMPARISONS)}"))
            return None
        reference = self._reference(written.field, (*place, "field"))
        comparison = comparisons[0]
        value = getattr(written, said[comparison])
        if value is None:
            self.problems.append(((*place, comparison), "must not be null; there is `present: false`"))
            return None
        return None if reference is None else Condition(reference, comparison, value)

    def _binding(self, value: Any, place: FieldPath) -> Binding | None:
        if isinstance(value, str):
            return self._reference(value, place)
        kind, inner = next(iter(value.items())) if isinstance(value, dict) and len(value) == 1 else ("", None)
        if kind == "constant" and inner is not None:
            return Constant(inner)
        if kind == "schema" and isinstance(inner, str):
            return OfSchema(tuple(inner.split(".")))
        if (
            kind == "either"
            and isinstance(inner, list)
            and inner
            and all(isinstance(one, str) for one in inner)
        ):
            found = [self._reference(str(one), (*place, kind, index)) for index, one in enumerate(inner)]
            known = tuple(one for one in found if one is not None)
            return Either(known) if len(known) == len(found) else None
        problem = (
            "must be a reference such as node.field, {constant: value}, {schema: place in the answer's schema}, "
            "or {either: [references]}"
        )
        self.problems.append((place, problem))
        return None

    def _reference(self, text: str, place: FieldPath) -> Reference | None:
        try:
            return Reference.parse(text)
        except ValueError as error:
            self.problems.append((place, str(error)))
            return None


def _in_words(found: Mapping[str, Any], shape: type[BaseModel]) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        loc = found["loc"]
        # What stands in a condition or a loop has fields of its own; those of the outermost are the ones known here.
        known = [field.alias or name for name, field in shape.model_fields.items()] if len(loc) == 1 else []
        fields = f"; {did_you_mean(str(loc[-1]), known)}fields are {', '.join(known)}" if known else ""
        return f"is not a field here{fields}"
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        return f"cannot be named so; names fit {found['ctx']['pattern']}"
    message = str(found["msg"])
    return message[0].lower() + message[1:]
