"""Whether an answer, or a rendered prompt, is as an assertion says. Pure, but for the user's own functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.testing import assertions as a
from prompt_hub.testing.json_paths import values_at
from prompt_hub.testing.languages import language_of
from prompt_hub.testing.outcomes import Check
from prompt_hub.testing.patterns import found

if TYPE_CHECKING:
    from prompt_hub.testing.assertions import Assertion

_WORD: Final = re.compile(r"\w+(?:['\u2019-]\w+)*")
_SHOWN: Final = 160

Problem = str | None
"""Why something is not so; None where it is."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is looked at.

    Attributes:
        text: The whole text.
        data: The answer's JSON, or the prompt's messages by role; None where the text is no JSON.
        schema: The stage's own schema of answers.
        recalled: Whether the answer was known from before, so that nothing was spent on it.
        latency_ms: Milliseconds to the answer, without the wait for a device; None where nobody measured.
        tokens: Tokens of question and answer; None where nobody counted.
        failure: Why there is no answer; everything fails then.
    """

    text: str
    data: Any = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    recalled: bool = False
    latency_ms: float | None = None
    tokens: int | None = None
    failure: Problem = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why something could not be checked."""

    why: str


Special = Callable[[a.Python | a.Rubric, Said], "Problem | Skipped"]
"""Checks what needs more than the answer: a function of the user's, or another model."""


def _no_special(assertion: a.Python | a.Rubric, said: Said) -> Problem | Skipped:
    del said
    return Skipped(f"nothing here can check a {assertion.type}")


def check(assertion: Assertion, said: Said, special: Special = _no_special) -> Check:
    """What comes of one assertion.

    Args:
        assertion: What has to be so.
        said: What is looked at.
        special: Checks what needs more than the answer.
    """
    try:
        problem = said.failure or _problem(assertion, said, special)
    except _NoSuchField as error:
        problem = str(error)
    if isinstance(problem, Skipped):
        return Check(words_of(assertion), None, problem.why, assertion.weight)
    return Check(words_of(assertion), problem is None, problem or "", assertion.weight)


def words_of(assertion: Assertion) -> str:
    """The assertion in words: its type, its field and what it wants."""
    said = assertion.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"type", "field", "weight"}
    )
    options = ", ".join(
        _shown(value) if name == "value" else f"{name} {_shown(value)}" for name, value in said.items()
    )
    name = getattr(assertion, "field", None)
    where = f" of {name}" if name else ""
    return f"{assertion.type}{where}: {_short(options)}" if options else f"{assertion.type}{where}"


def _shown(value: Any) -> str:
    # As it is written in the file: a pattern is hard enough to read without its backslashes doubled.
    return f'"{value}"' if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _NoSuchField(Exception):
    """The answer has no such field."""


def _problem(assertion: Assertion, said: Said, special: Special) -> Problem | Skipped:
    if isinstance(assertion, a.Python | a.Rubric):
        return special(assertion, said)
    if isinstance(assertion, a.Latency | a.Cost):
        return _spent(assertion, said)
    return _CHECKS[type(assertion)](assertion, said)


def value_of(assertion: Any, said: Said) -> Any:
    """What an assertion is about: a field's JSON value, or the whole text."""
    name = getattr(assertion, "field", None)
    if name is None:
        return said.text
    if not isinstance(said.data, Mapping) or name not in said.data:
        raise _NoSuchField(f"the answer has no field {name!r}: {_short(said.text)}")
    return said.data[name]


def text_of(value: Any) -> str:
    """A JSON value as text: texts as they are, those of a list one a line, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(map(text_of, value))
    return json.dumps(value, ensure_ascii=False)


def _text(assertion: Any, said: Said) -> str:
    return text_of(value_of(assertion, said))


def _json(assertion: Any, said: Said) -> Any:
    return said.data if assertion.field is None else value_of(assertion, said)


def _equals(assertion: a.Equals, said: Said) -> Problem:
    value = value_of(assertion, said)
    wanted = assertion.value
    if assertion.field is None and not isinstance(wanted, str):
        value = said.data
    return None if _same(value, wanted) else f"it is {_short(json.dumps(value, ensure_ascii=False))}"


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; to Python, True is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _contains(assertion: a.Contains, said: Said) -> Problem:
    _, missing = _looked_for(assertion, said)
    return f"it lacks {', '.join(map(repr, missing))}: {_short(_text(assertion, said))}" if missing else None


def _not_contains(assertion: a.NotContains, said: Said) -> Problem:
    there, _ = _looked_for(assertion, said)
    return f"it has {', '.join(map(repr, there))}: {_short(_text(assertion, said))}" if there else None


def _looked_for(assertion: a.Contains | a.NotContains, said: Said) -> tuple[list[str], list[str]]:
    """Those texts that are there, and those that are not."""
    text = _text(assertion, said)
    wanted = [assertion.value] if isinstance(assertion.value, str) else assertion.value
    if assertion.ignore_case:
        folded = text.casefold()
        there = [one for one in wanted if one.casefold() in folded]
    else:
        there = [one for one in wanted if one in text]
    return there, [one for one in wanted if one not in there]


def _regex(assertion: a.Regex, said: Said) -> Problem:
    text = _text(assertion, said)
    return None if found(assertion.value, text) else f"it is not found in: {_short(text)}"


def _is_json(assertion: a.IsJson, said: Said) -> Problem:
    del assertion
    try:
        json.loads(said.text)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({_short(str(error))}): {_short(said.text)}"
    return None


def _fits_schema(assertion: a.FitsSchema, said: Said) -> Problem:
    # A tenth of a second, needed for this alone.
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    schema = said.schema if assertion.value_schema is None else assertion.value_schema
    problem = next(Draft202012Validator(schema).iter_errors(_json(assertion, said)), None)
    return None if problem is None else f"at {problem.json_path}: {_short(problem.message)}"


def _json_path(assertion: a.JsonPath, said: Said) -> Problem:
    try:
        values = values_at(assertion.path, _json(assertion, said))
    except ValueError as error:
        return str(error)
    if len(values) < assertion.min or (assertion.max is not None and len(values) > assertion.max):
        return f"it finds {len(values)} value{'' if len(values) == 1 else 's'}"
    if "equals" not in assertion.model_fields_set:
        return None
    others = [value for value in values if not _same(value, assertion.equals)]
    return f"it finds {_short(json.dumps(others, ensure_ascii=False))}" if others else None


def _length(assertion: a.Length, said: Said) -> Problem:
    value = value_of(assertion, said)
    count = len(value) if isinstance(value, list) else len(text_of(value))
    return _outside(assertion, count, "item" if isinstance(value, list) else "character")


def _words(assertion: a.Words, said: Said) -> Problem:
    return _outside(assertion, count_words(_text(assertion, said)), "word")


def count_words(text: str) -> int:
    """Words of a text; what an apostrophe or a hyphen joins is one."""
    return sum(1 for _ in _WORD.finditer(text))


def _outside(assertion: a.Length | a.Words, count: int, unit: str) -> Problem:
    low, high = assertion.min or 0, assertion.max
    return (
        None
        if low <= count and (high is None or count <= high)
        else f"it has {count} {unit}{'' if count == 1 else 's'}"
    )


def _language(assertion: a.Language, said: Said) -> Problem:
    text = _text(assertion, said)
    if not _WORD.search(text):
        return "it has no words"
    told = language_of(text)
    return None if told == assertion.value else f"it reads as {told}: {_short(text)}"


def _similar(assertion: a.Similar, said: Said) -> Problem:
    from rapidfuzz import fuzz  # noqa: PLC0415 - for this alone

    text = _text(assertion, said)[: a.MAX_TEXT]
    share = fuzz.token_sort_ratio(text.casefold(), assertion.value.casefold()) / 100
    return None if share >= assertion.threshold else f"it is similar to {share:.2f}: {_short(text)}"


def _spent(assertion: a.Latency | a.Cost, said: Said) -> Problem | Skipped:
    if said.recalled:
        return Skipped("the answer was known from before, so nothing was spent; ask again with --fresh")
    spent, unit = (said.latency_ms, "ms") if isinstance(assertion, a.Latency) else (said.tokens, "tokens")
    if spent is None:
        return Skipped(f"the server did not count {unit}")
    return None if spent <= assertion.max else f"it took {spent:,.0f} {unit}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


_CHECKS: Final[Mapping[type, Callable[[Any, Said], Problem]]] = {
    a.Equals: _equals,
    a.Contains: _contains,
    a.NotContains: _not_contains,
    a.Regex: _regex,
    a.IsJson: _is_json,
    a.FitsSchema: _fits_schema,
    a.JsonPath: _json_path,
    a.Length: _length,
    a.Words: _words,
    a.Language: _language,
    a.Similar: _similar,
}
