"""Picoschema, the shorthand that dotprompt has for JSON Schema, and what it comes to.

A mapping says an object: `title: string, words for people`, `note?: string`, `tags(array, words): string`,
`place(object, words): {…}` or `place: {…}`, `mood(enum, words): [calm, wild]`, and `(*): string` for any other field.
All fields are required but those with `?`, which may be null too; there are no others unless `(*)` says so. The format
is described at https://google.github.io/dotprompt/reference/picoschema; names of other schemas are not part of ours.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.json_schemas import TYPES, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHERS: Final = "(*)"
SCALARS: Final = ("any", "boolean", "integer", "null", "number", "string")
KINDS: Final = ("array", "enum", "object")

_KEY: Final = re.compile(
    r"(?P<name>[^?()]+?)\s*(?P<optional>\?)?\s*(?:\(\s*(?P<kind>[^,()]*?)\s*(?:,\s*(?P<words>.*?)\s*)?\))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Key:
    """A field's name with what stands beside it.

    Attributes:
        name: The name.
        optional: Whether a `?` follows it.
        kind: `array`, `enum` or `object`; None where the value says it.
        words: The description; "" where there is none.
    """

    name: str
    optional: bool
    kind: str | None
    words: str


@dataclass
class Compiling:
    """Picoschema on its way to JSON Schema, and what was met on it.

    Attributes:
        problems: What is wrong, each with the place where it is written.
        written: For each place of what was made, the place where it is written.
    """

    problems: list[tuple[Place, str]] = field(default_factory=list)
    written: dict[Place, Place] = field(default_factory=dict)

    def object(self, fields: Mapping[str, Any], at: Place, made: Place) -> dict[str, Any]:
        """The JSON Schema of an object.

        Args:
            fields: As written.
            at: Where they are written.
            made: Where the schema will stand.
        """
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        }
        for text, value in fields.items():
            place = (*at, text)
            if text == OTHERS:
                self.written[(*made, "additionalProperties")] = place
                schema["additionalProperties"] = self.value(value, place, (*made, "additionalProperties"))
                continue
            key = self.key(text, place)
            if key is None:
                continue
            if key.name in schema["properties"]:
                self.problems.append((place, f"says {key.name!r} a second time"))
                continue
            inner = (*made, "properties", key.name)
            schema["properties"][key.name] = self.field(key, value, place, inner)
            if not key.optional:
                schema["required"].append(key.name)
        return schema

    def key(self, text: str, place: Place) -> Key | None:
        """What a field's key says; None, and a problem, where it says nothing."""
        match = _KEY.fullmatch(text.strip())
        kind = match["kind"] if match is not None else None
        if match is None or (kind is not None and kind not in KINDS):
            problem = (
                f"is no field: write name, name?, or one of {', '.join(f'name({one})' for one in KINDS)}"
            )
            self.problems.append((place, problem))
            return None
        return Key(match["name"], match["optional"] is not None, kind, match["words"] or "")

    def field(self, key: Key, value: Any, at: Place, made: Place) -> dict[str, Any]:
        """The JSON Schema of one field, which may be null if it is optional."""
        self.written[made] = at
        if key.kind == "enum":
            schema = self._choice(value, at)
        elif key.kind == "array":
            schema = {"type": "array", "items": self.value(value, at, (*made, "items"))}
        elif key.kind == "object" and not isinstance(value, dict):
            self.problems.append((at, "must have a mapping of fields: it is said to be an object"))
            schema = {"type": "object"}
        else:
            schema = self.value(value, at, made)
        if key.words:
            schema["description"] = key.words
        return _or_null(schema) if key.optional else schema

    def value(self, value: Any, at: Place, made: Place) -> dict[str, Any]:
        """The JSON Schema of what stands beside a key: a type with words, or a mapping of fields."""
        if isinstance(value, dict):
            return self.object(value, at, made)
        if not isinstance(value, str):
            self.problems.append(
                (at, "must be a type such as `string, words for people`, or a mapping of fields")
            )
            return {}
        kind, _, words = (part.strip() for part in value.partition(","))
        if kind not in SCALARS:
            nearest = difflib.get_close_matches(kind, SCALARS, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"types are {', '.join(SCALARS)}"
            self.problems.append((at, f"{kind!r} is no type; {hint}"))
        schema: dict[str, Any] = {"type": list(TYPES) if kind == "any" else kind}
        return {**schema, "description": words} if words else schema

    def _choice(self, value: Any, at: Place) -> dict[str, Any]:
        # Servers that hold a model to a schema want a type beside the choices.
        for kind, wanted in (("string", str), ("integer", int)):
            if isinstance(value, list) and value and all(type(one) is wanted for one in value):
                return {"type": kind, "enum": list(value)}
        self.problems.append((at, "must be a list of texts or of whole numbers, and not an empty one"))
        return {}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    nullable = {**schema, "type": kinds if "null" in kinds else [*kinds, "null"]}
    return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable
