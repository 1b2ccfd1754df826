"""Picoschema, the short form of JSON Schema that prompt files use, written out.

https://google.github.io/dotprompt/reference/picoschema/
"""

from __future__ import annotations

import re
from typing import Any, Final

from prompt_hub.json_schemas import MAX_DEPTH, TYPES

_SCALARS: Final = frozenset({"string", "boolean", "null", "number", "integer", "any"})
_KEY: Final = re.compile(
    r"(?P<name>[^?(]+)(?P<optional>\?)?(?:\((?P<kind>[^,)]+)(?:,(?P<description>[^)]*))?\))?\Z"
)


def compiled(schema: Any) -> dict[str, Any]:
    """JSON Schema of a schema in Picoschema, or of one that is JSON Schema already.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(schema, dict) and (
        schema.get("type") in TYPES or isinstance(schema.get("properties"), dict)
    ):
        return {"type": "object", **schema}
    return _written_out(schema, 1)


def _written_out(schema: Any, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise ValueError("is nested too deeply")
    if isinstance(schema, str):
        return _scalar(schema)
    if not isinstance(schema, dict):
        raise ValueError(f"has {type(schema).__name__} where a type or fields are expected")  # noqa: TRY004 - a text of a file is wrong, no caller
    fields: dict[str, Any] = {}
    made: dict[str, Any] = {
        "type": "object",
        "properties": fields,
        "required": [],
        "additionalProperties": False,
    }
    for key, value in schema.items():
        if key == "(*)":
            made["additionalProperties"] = _written_out(value, depth + 1)
            continue
        parts = _KEY.match(key)
        if parts is None:
            raise ValueError(f"has the field {key!r}, which is not written as name?(type, description)")
        name = parts["name"].strip()
        one = _field((parts["kind"] or "").strip(), value, depth)
        if parts["description"]:
            one["description"] = parts["description"].strip()
        if parts["optional"]:
            fields[name] = _or_null(one)
        else:
            fields[name] = one
            made["required"].append(name)
    return made


def _field(kind: str, value: Any, depth: int) -> dict[str, Any]:
    match kind:
        case "":
            return _written_out(value, depth + 1)
        case "array":
            return {"type": "array", "items": _written_out(value, depth + 1)}
        case "object":
            if not isinstance(value, dict):
                raise ValueError("has an object without fields")  # noqa: TRY004 - as above
            return _written_out(value, depth + 1)
        case "enum":
            if not isinstance(value, list) or not value:
                raise ValueError("has an enum without a list of values")
            return {"enum": list(value)}
        case _:
            raise ValueError(f"has the type {kind!r} in brackets; those are array, object and enum")


def _scalar(text: str) -> dict[str, Any]:
    kind, _, description = (part.strip() for part in text.partition(","))
    if kind not in _SCALARS:
        raise ValueError(f"has the type {kind!r}; types are {', '.join(sorted(_SCALARS))}")
    made: dict[str, Any] = {"type": list(TYPES) if kind == "any" else kind}
    return {**made, "description": description} if description else made


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, *(["null"] if "null" not in kinds else [])]}
