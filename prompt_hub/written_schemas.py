"""The ways in which a profile's file may say variables and answers, and the one form that they all come to.

A variable is written as a declaration (`title: {schema: {…}, description: …}`), as JSON Schema
(`title: {type: string, maxLength: 99}`) or in picoschema (`title: string, words`); all variables together also as the
JSON Schema of one object. An answer is JSON Schema or picoschema. Each file is brought to declarations and JSON Schema
by itself, before anything is merged or hashed.

What is said in picoschema is said whole, so it replaces what a lower layer says of that variable or answer, as any text
does. JSON Schema is merged field by field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.json_schemas import TYPES
from prompt_hub.picoschema import OTHERS, Compiling
from store.yaml_reading import FieldPath, YamlDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS: Final = frozenset("?(")


@dataclass(frozen=True)
class ProfileDocument(YamlDocument):
    """A profile's file with its variables and answers in the one form.

    Attributes:
        whole: Places that stand for themselves and are not merged with what is below them.
    """

    whole: frozenset[FieldPath] = frozenset()


def in_one_form(document: YamlDocument) -> tuple[ProfileDocument, list[tuple[FieldPath, str]]]:
    """The document with declarations and JSON Schema alone, and what is wrong in what was brought to it.

    Whatever is not written as a profile's parts are stays as it is, for others to refuse.
    """
    bringing = _Bringing()
    value = document.value
    if isinstance(value, dict) and isinstance(value.get("stages"), dict):
        stages = {name: bringing.stage(stage, ("stages", name)) for name, stage in value["stages"].items()}
        value = {**value, "stages": stages}
    # A field that was made has the line of what it was made from.
    lines = {
        **document.lines,
        **{made: document.line_of(place) for made, place in bringing.compiling.written.items()},
    }
    brought = ProfileDocument(document.source, value, lines, frozenset(bringing.whole))
    return brought, bringing.compiling.problems


@dataclass
class _Bringing:
    compiling: Compiling = field(default_factory=Compiling)
    whole: set[FieldPath] = field(default_factory=set)

    def stage(self, stage: Any, place: FieldPath) -> Any:
        if not isinstance(stage, dict):
            return stage
        brought = dict(stage)
        if isinstance(stage.get("variables"), dict):
            brought["variables"] = self._variables(stage["variables"], (*place, "variables"))
        output = stage.get("output")
        if isinstance(output, dict) and not _is_json_schema(output):
            at = (*place, "output")
            self.whole.add(at)
            brought["output"] = self.compiling.object(output, at, at)
        return brought

    def _variables(self, variables: dict[str, Any], at: FieldPath) -> dict[str, Any]:
        if variables.get("type") == "object" and isinstance(variables.get("properties"), dict):
            return self._of_one_object(variables, at)
        brought: dict[str, Any] = {}
        for text, value in variables.items():
            place = (*at, text)
            if text == OTHERS:
                self._refuse(place, "stands for any name, and a stage has the variables that it names")
            elif isinstance(value, str) or not _MARKS.isdisjoint(text):
                self._in_picoschema(text, value, at, brought)
            elif isinstance(value, dict) and "schema" not in value and _names_a_type(value):
                self._put(brought, text, _declared(value), place, (*at, text))
            else:
                self._put(brought, text, value, place, (*at, text))
        return brought

    def _in_picoschema(self, text: str, value: Any, at: FieldPath, brought: dict[str, Any]) -> None:
        place = (*at, text)
        key = self.compiling.key(text, place)
        if key is None:
            return
        made = (*at, key.name)
        schema = self.compiling.field(key, value, place, (*made, "schema"))
        self.whole.add(made)
        self._put(brought, key.name, {**_declared(schema), "required": not key.optional}, place, made)

    def _of_one_object(self, schema: Mapping[str, Any], at: FieldPath) -> dict[str, Any]:
        required = schema.get("required", [])
        for word in sorted(schema.keys() - {"type", "properties", "required", "additionalProperties"}):
            self._refuse(
                (*at, word), "says nothing about a stage's variables; write type, properties and required"
            )
        if schema.get("additionalProperties", False) is not False:
            self._refuse(
                (*at, "additionalProperties"), "must be false: a stage has the variables that it names"
            )
        if not isinstance(required, list):
            self._refuse((*at, "required"), "must be a list of variables")
            required = []
        for name in required:
            if name not in schema["properties"]:
                self._refuse((*at, "required"), f"names {name!r}, which is not in properties")
        brought: dict[str, Any] = {}
        for name, inner in schema["properties"].items():
            place = (*at, "properties", name)
            if not isinstance(inner, dict):
                self._refuse(place, "must be a JSON Schema: a mapping")
                continue
            declaration = {**_declared(inner), "required": name in required}
            self._put(brought, name, declaration, place, (*at, name))
        return brought

    def _put(self, brought: dict[str, Any], name: str, value: Any, place: FieldPath, made: FieldPath) -> None:
        if name in brought:
            self._refuse(place, f"says {name!r} a second time")
            return
        if place != made:
            self.compiling.written[made] = place
        brought[name] = value

    def _refuse(self, place: FieldPath, problem: str) -> None:
        self.compiling.problems.append((place, problem))


def _declared(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A variable's schema as its declaration: the description is for people, and stands apart."""
    apart = {"description": schema["description"]} if "description" in schema else {}
    return {**apart, "schema": {word: value for word, value in schema.items() if word != "description"}}


def _names_a_type(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return (
        kind in TYPES
        if isinstance(kind, str)
        else isinstance(kind, list) or isinstance(value.get("properties"), dict)
    )


def _is_json_schema(value: Mapping[str, Any]) -> bool:
    """Whether an answer is written in JSON Schema, be it only a part of one, and not in picoschema."""
    return (
        not value
        or _names_a_type(value)
        or any(_MARKS.isdisjoint(text) and not isinstance(inner, str | dict) for text, inner in value.items())
    )
