"""Check an answer: JSON out of a model's text, and whether it fits its schema.

No backend's word is proof, not even under constrained decoding, so every answer goes through here, when it
comes and again whenever it is recalled.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable

from backends.errors import InvalidRequest, NotJson, SchemaMismatch
from store.fitting import compiled

if TYPE_CHECKING:
    from backends.output_schemas import CanonicalSchema
    from store.fitting import Fits

_REASONING: Final = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)
_FENCE: Final = re.compile(r"```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN: Final = 80
_MESSAGE_LIMIT: Final = 300


@lru_cache(maxsize=256)
def _checks(encoded: bytes) -> tuple[Fits | None, Draft202012Validator]:
    """The quick test of a schema, where there is one, and the validator that has the last word."""
    schema = json.loads(encoded)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidRequest(f"An output schema is not a JSON Schema: {error.message}.") from error
    # Without a registry of its own, jsonschema would fetch over HTTP what a `$ref` names.
    fits = compiled(schema) if isinstance(schema, dict) else None
    return fits, Draft202012Validator(schema, registry=REGISTRY)


def check_answer(text: str, schema: CanonicalSchema | None) -> Any:
    """The parsed answer, fitting its schema; None where no schema was asked for.

    Args:
        text: What the model wrote.
        schema: The schema of the answer, None for free text.

    Raises:
        NotJson: No JSON can be found in the text.
        SchemaMismatch: There is JSON, and it misses the schema; the message says where.
        InvalidRequest: The schema is not a JSON Schema.
    """
    if schema is None:
        return None
    data = parse_json(text)
    fits, validator = _checks(schema.encoded)
    # Validity alone is the cheapest question, and nearly always the only one.
    try:
        if (fits is not None and fits(data)) or validator.is_valid(data):
            return data
        reason = _in_words(best_match(validator.iter_errors(data)))
    except Unresolvable as error:
        raise InvalidRequest(
            f"An output schema refers to {error.ref!r}, which it does not hold; nothing is fetched for it."
        ) from error
    raise SchemaMismatch(f"The answer misses its schema: {reason}.")


def parse_json(text: str) -> Any:
    """The JSON that a model's text is, or holds.

    Models that reason, or that were not constrained, put thoughts before it and a Markdown fence around it.
    Raw control characters inside strings are let through (vLLM writes them); a lone surrogate becomes U+FFFD,
    since no UTF-8 column can hold it.

    Raises:
        NotJson: There is none.
    """
    try:
        data = _loads(text)
    except (ValueError, RecursionError) as first:
        data = _dug_out(text, first)
    return _without_surrogates(data) if _SURROGATE_ESCAPE.search(text) else data


def _dug_out(text: str, first: Exception) -> Any:
    bare = _REASONING.sub("", text, count=1)
    candidates = [match.group(1) for match in _FENCE.finditer(bare)] or [bare]
    for candidate in candidates:
        start = min((at for at in (candidate.find("{"), candidate.find("[")) if at >= 0), default=-1)
        if start < 0:
            continue
        try:
            return _DECODER.raw_decode(candidate, start)[0]
        except (ValueError, RecursionError):
            continue
    raise NotJson(f"The answer is not JSON ({_short(str(first))}): {_short(text)!r}.") from first


def _loads(text: str) -> Any:
    return _DECODER.decode(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# strict=False: vLLM's JSON can hold raw control characters inside strings.
_DECODER: Final = json.JSONDecoder(strict=False, parse_constant=_no_constant)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _in_words(error: ValidationError | None) -> str:
    if error is None:
        return "it is not valid"
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message
    if len(message) > _MESSAGE_LIMIT:
        # jsonschema quotes the whole value, then says what is wrong with it.
        message = f"{message[:_SHOWN]}…{message[-_MESSAGE_LIMIT + _SHOWN :]}"
    return f"at {where.removeprefix('.') or 'the top'}: {message}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
