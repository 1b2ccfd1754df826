"""What each profile stage is given, and what is read of its answer: declared once, in `stage_contracts.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import FileProblem, ProfileFileError
from prompt_hub.picoschema import Compiling
from store.yaml_reading import field_text, read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_hub.json_schemas import Place
    from prompt_hub.schema import PromptProfile, StageTemplate

CONTRACTS_FILE: Final = Path(__file__).parent / "stage_contracts.yaml"


@dataclass(frozen=True)
class StageContract:
    """One profile stage's.

    Attributes:
        given: JSON Schema of an object with the variables that are given.
        read: JSON Schema of an object with the fields that are read.
    """

    given: Mapping[str, Any]
    read: Mapping[str, Any]


@cache
def stage_contracts() -> Mapping[tuple[str, str], StageContract]:
    """All contracts, by application and profile stage.

    Raises:
        ProfileFileError: The file is broken.
        store.yaml_reading.YamlError: It cannot be read.
    """
    document = read_yaml_document(CONTRACTS_FILE)
    compiling = Compiling()
    contracts = {}
    value: Any = document.value
    for application, stages in value.items():
        for stage, said in stages.items():
            given, read = (
                compiling.object(said[part], (application, stage, part), (application, stage, part))
                for part in ("given", "read")
            )
            contracts[application, stage] = StageContract(given, read)
    if compiling.problems:
        raise ProfileFileError(
            tuple(
                FileProblem(document.source, document.line_of(place), field_text(place), problem)
                for place, problem in compiling.problems
            )
        )
    return contracts


def contract_doubts(profile: PromptProfile) -> Iterator[tuple[Place, str]]:
    """Where a profile's stages declare or answer other than their pipeline gives and reads: no run would use them.

    A stage that no pipeline has may be as it likes.
    """
    for name, stage in profile.stages.items():
        contract = stage_contracts().get((profile.application, name))
        if contract is not None:
            yield from _given(stage, contract.given["properties"], ("stages", name, "variables"))
            yield from _read(stage, contract.read["properties"], ("stages", name, "output"))


def _given(stage: StageTemplate, given: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    for variable in given:
        if variable not in stage.variables:
            yield place, f"has no {variable}, which is given: a run refuses this stage"
    for variable, declaration in stage.variables.items():
        at = (*place, variable)
        if variable in given:
            if not types_meet(given[variable], declaration.value_schema):
                kinds = " or ".join(types_of(given[variable]))
                yield at, f"can be no {kinds}, which is given: a run refuses this stage"
        elif declaration.required:
            yield at, "is required and not given: a run refuses this stage"


def _read(stage: StageTemplate, read: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, str]]:
    answer: Mapping[str, Any] = stage.output
    fields: Mapping[str, Any] = answer["properties"]
    for name in read:
        if name not in fields:
            yield place, f"has no {name}, which is read: a run refuses this stage"
        elif not types_meet(fields[name], read[name]):
            kinds = " or ".join(types_of(read[name]))
            yield (
                (*place, "properties", name),
                f"is no {kinds}, as which it is read: a run refuses this stage",
            )
    for name in fields:
        if name not in read:
            yield (*place, "properties", name), "is not read: a run refuses this stage"


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The types that a schema names; none where it leaves them open."""
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def types_meet(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether every type of value that one schema gives is one that the other takes; open ones meet all."""
    takes = set(types_of(wanted))
    if "number" in takes:
        takes.add("integer")
    return not takes or set(types_of(given)) <= takes
