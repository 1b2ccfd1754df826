"""Check an answer: whether there is one, JSON out of a model's text, and whether it fits its schema.

No backend's word is proof, not even under constrained decoding, so every answer goes through here, when it
comes and again whenever it is recalled.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing.exceptions import Unresolvable

from backends.errors import (
    AnswerTooLong,
    EmptyAnswer,
    InvalidRequest,
    NotJson,
    Refused,
    SchemaMismatch,
    TruncatedAnswer,
)
from backends.patterns import LinearValidator
from backends.schema_size import parts
from store.fitting import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema.protocols import Validator

    from backends.output_schemas import CanonicalSchema
    from backends.providers.protocol import RawAnswer
    from store.fitting import Fits

LONGEST_ANSWER: Final = 128 * 1024
"""Characters after which a text is no answer to a schema: eighty times the longest critique."""

_REASONING: Final = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)
_FENCE: Final = "```"
_FENCES_TRIED: Final = 20
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_DEEPEST: Final = 64
# Checking one value costs up to a tenth of a millisecond of everybody's time.
_MOST_VALUES: Final = 4096
# Values times parts of a schema: a fifth of a microsecond each in the quick test, ten where words are looked for.
_MOST_CHECKS: Final = 4_000_000
_MOST_CHECKS_FOR_WORDS: Final = 100_000
# The best of a few is good enough to be shown; a long list may have thousands.
_ERRORS_LOOKED_AT: Final = 20
# More than any indentation.
_ENDLESS_SPACES: Final = 100
_REFUSALS: Final = frozenset({"content_filter"})
_SHOWN: Final = 80
_MESSAGE_LIMIT: Final = 300


@lru_cache(maxsize=256)
def _checks(encoded: bytes) -> tuple[Fits | None, Validator, int]:
    """The quick test of a schema, where there is one, the validator that has the last word, and its parts."""
    schema = json.loads(encoded)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidRequest(f"An output schema is not a JSON Schema: {error.message}.") from error
    # Without a registry of its own, jsonschema would fetch over HTTP what a `$ref` names.
    fits = compiled(schema) if isinstance(schema, dict) else None
    return fits, LinearValidator(schema, registry=REGISTRY), parts(schema)


def refuse_unfinished(raw: RawAnswer) -> None:
    """Return if the model said something, and to its end.

    Raises:
        Refused: It declined, or a filter did.
        TruncatedAnswer: It was cut off at the token limit.
        EmptyAnswer: It wrote no text.
    """
    if raw.refusal or raw.finish_reason in _REFUSALS:
        raise Refused(f"The model declined to answer: {raw.refusal or raw.finish_reason}.")
    if raw.finish_reason == "length":
        raise TruncatedAnswer(_why_cut_off(raw))
    if not raw.text.strip():
        raise EmptyAnswer("The answer has no text in it.")


def check_answer(text: str, schema: CanonicalSchema | None) -> Any:
    """The parsed answer, fitting its schema; None where no schema was asked for.

    Args:
        text: What the model wrote.
        schema: The schema of the answer, None for free text.

    Raises:
        AnswerTooLong: The text is longer than ``LONGEST_ANSWER``, or holds more values than any answer, or more
            than can be checked by so large a schema.
        NotJson: No JSON can be found in the text.
        SchemaMismatch: There is JSON, and it misses the schema; the message says where.
        InvalidRequest: The schema is not a JSON Schema.
    """
    if schema is None:
        return None
    if len(text) > LONGEST_ANSWER:
        raise AnswerTooLong(
            f"The answer has {len(text)} characters, and none longer than {LONGEST_ANSWER} is checked. Lower "
            f"max_output_tokens in the profile stage, or ask for less."
        )
    data = parse_json(text)
    fits, validator, size = _checks(schema.encoded)
    checks = _counted(data) * size
    if checks > (_MOST_CHECKS_FOR_WORDS if fits is None else _MOST_CHECKS):
        raise AnswerTooLong(
            f"The answer holds too many values to be checked by so large a schema: {_short(text)!r}."
        )
    try:
        # Validity alone is the cheapest question, and nearly always the only one.
        if fits is not None and fits(data):
            return data
        if checks > _MOST_CHECKS_FOR_WORDS:
            raise SchemaMismatch("The answer misses its schema; both are too large to say where.")
        errors = list(islice(validator.iter_errors(data), _ERRORS_LOOKED_AT))
        if not errors:
            return data
        reason = _in_words(best_match(errors))
    except (RecursionError, OverflowError) as error:
        reason = f"it is beyond checking ({_short(str(error))})"
    except Unresolvable as error:
        raise InvalidRequest(
            f"An output schema refers to {error.ref!r}, which it does not hold; nothing is fetched for it."
        ) from error
    raise SchemaMismatch(f"The answer misses its schema: {reason}.")


def parse_json(text: str) -> Any:
    """The JSON that a model's text is, or holds.

    Models that reason, or that were not constrained, put thoughts before it and a Markdown fence around it.
    Raw control characters inside strings are let through (vLLM writes them); a lone surrogate becomes U+FFFD,
    since no UTF-8 column can hold it. Whole numbers fit 64 bits and others a double, as columns do.

    Raises:
        NotJson: There is none, or it holds what no answer has: a larger number, more than 64 levels.
        AnswerTooLong: It holds more than 4,096 values.
    """
    try:
        data = _DECODER.decode(text)
    except (ValueError, RecursionError) as first:
        data = _dug_out(text, first)
    _refuse_excess(data, text)
    return _without_surrogates(data) if _SURROGATE_ESCAPE.search(text) else data


def _why_cut_off(raw: RawAnswer) -> str:
    spaces = len(raw.text) - len(raw.text.rstrip())
    if spaces < _ENDLESS_SPACES:
        return (
            f"The answer was cut off after {raw.output_tokens or 'some'} tokens. Raise max_output_tokens in the "
            f"profile stage, or ask for less."
        )
    return (
        f"The answer was cut off after {raw.output_tokens or 'some'} tokens, the end of it {spaces} spaces and line "
        f"breaks, which the grammar of the answer allows without a limit. Start vLLM with --structured-outputs-config "
        f"'{{\"disable_any_whitespace\": true}}', or ask at a temperature above 0."
    )


def _dug_out(text: str, first: Exception) -> Any:
    bare = _REASONING.sub("", text, count=1)
    # Whatever follows a fence is tried, then the whole: a fence may have no end, or stand inside a string.
    candidates = [*bare.split(_FENCE, _FENCES_TRIED)[1:], bare]
    for candidate in candidates:
        start = min((at for at in (candidate.find("{"), candidate.find("[")) if at >= 0), default=-1)
        if start < 0:
            continue
        try:
            return _DECODER.raw_decode(candidate, start)[0]
        except (ValueError, RecursionError):
            continue
    raise NotJson(f"The answer is not JSON ({_short(str(first))}): {_short(text)!r}.") from first


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _whole(digits: str) -> int:
    number = int(digits)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"a number is too large: {digits}")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"a number is too large: {digits}")
    return number


# strict=False: vLLM's JSON can hold raw control characters inside strings.
_DECODER: Final = json.JSONDecoder(
    strict=False, parse_constant=_no_constant, parse_int=_whole, parse_float=_real
)


def _refuse_excess(data: Any, text: str) -> None:
    level, count = [data], 0
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        count += len(level)
        if count > _MOST_VALUES:
            raise AnswerTooLong(f"The answer holds more than {_MOST_VALUES} values: {_short(text)!r}.")
        if not level:
            return
    raise NotJson(f"The answer is nested more than {_DEEPEST} levels deep: {_short(text)!r}.")


def _counted(value: Any) -> int:
    return 1 + sum(_counted(inner) for inner in _inside(value))


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _in_words(error: ValidationError) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message
    if len(message) > _MESSAGE_LIMIT:
        # jsonschema quotes the whole value, then says what is wrong with it.
        message = f"{message[:_SHOWN]}…{message[-_MESSAGE_LIMIT + _SHOWN :]}"
    return f"at {where.removeprefix('.') or 'the top'}: {message}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
