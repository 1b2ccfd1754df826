"""The assertions of a test, as they are written in its file.

Each has a ``type``, and may have a ``weight`` and a ``field``. Without a field it is about the whole text of the
answer, or of the rendered prompt in a static set; there the fields are ``system`` and ``user``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from prompt_hub.json_schemas import variable_problems
from prompt_hub.testing.json_paths import path_of
from prompt_hub.testing.languages import LANGUAGES
from prompt_hub.testing.patterns import pattern_of
from store.yaml_reading import field_text

MAX_TEXT: Final = 20_000

STATIC_TYPES: Final = ("contains", "not-contains", "regex", "length", "words")
"""What can be asserted of a rendered prompt."""

_PLACE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}\.py:[A-Za-z_][A-Za-z0-9_]{0,79}")


def _pattern(text: str) -> str:
    pattern_of(text)
    return text


def _path(text: str) -> str:
    path_of(text)
    return text


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    for place, problem in variable_problems(schema):
        raise ValueError(f"{field_text(place)}: {problem}" if place else problem)
    return schema


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(
            f"is no language that can be told; codes are those of ISO 639-1: {' '.join(LANGUAGES)}"
        )
    return code


def _function(place: str) -> str:
    if _PLACE.fullmatch(place) is None:
        raise ValueError('names no function; write "file.py:function", the file beside this one')
    return place


def _words_to_find(value: str | list[str]) -> str | list[str]:
    if not value or not all([value] if isinstance(value, str) else value):
        raise ValueError("holds no text to look for")
    return value


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Texts = Annotated[str | list[str], AfterValidator(_words_to_find)]
Count = Annotated[int, Field(ge=0)]


class _Assertion(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=False
    )

    weight: float = Field(default=1.0, gt=0, le=1000)


class _OfField(_Assertion):
    field: Annotated[str, Field(min_length=1, max_length=80)] | None = None


class _Bounded(_OfField):
    min: Count | None = None
    max: Count | None = None

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("has a min above its max")
        return self


class Equals(_OfField):
    """It is exactly this JSON value; whole and other numbers are equal where their values are."""

    type: Literal["equals"]
    value: JsonValue


class Contains(_OfField):
    """It has this text in it, or each of these."""

    type: Literal["contains"]
    value: Texts
    ignore_case: bool = False


class NotContains(_OfField):
    """It has this text not in it, and none of these."""

    type: Literal["not-contains"]
    value: Texts
    ignore_case: bool = False


class Regex(_OfField):
    """The pattern, in RE2's syntax, is found in it."""

    type: Literal["regex"]
    value: Annotated[str, AfterValidator(_pattern)]


class IsJson(_Assertion):
    """The whole text is JSON."""

    type: Literal["is-json"]


class FitsSchema(_OfField):
    """It fits a JSON Schema: this one, or the stage's own. Schemas have the words that those of profiles have."""

    type: Literal["schema"]
    # Named apart because pydantic's models have a `schema` of their own.
    value_schema: Annotated[dict[str, Any], AfterValidator(_schema)] | None = Field(
        default=None, alias="schema"
    )

    @model_validator(mode="after")
    def _names_what(self) -> Self:
        if self.field is not None and self.value_schema is None:
            raise ValueError("needs a schema where it has a field; the stage's own is of the whole answer")
        return self


class JsonPath(_OfField):
    """A JSONPath (RFC 9535) finds so many values, and each equals `equals` where that is given."""

    type: Literal["json-path"]
    path: Annotated[str, AfterValidator(_path)]
    equals: JsonValue = None
    min: Count = 1
    max: Count | None = None


class Length(_Bounded):
    """Characters of a text, or items of a list."""

    type: Literal["length"]


class Words(_Bounded):
    """Words of a text."""

    type: Literal["words"]


class Language(_OfField):
    """The text is most likely in this language. Texts of a few words are guessed badly."""

    type: Literal["language"]
    value: Annotated[str, AfterValidator(_language)]


class Latency(_Assertion):
    """The answer came within so many milliseconds, the wait for a device not counted; not asked of recalled ones."""

    type: Literal["latency"]
    max: Annotated[int, Field(gt=0)]


class Cost(_Assertion):
    """Question and answer together have at most so many tokens; not asked of recalled ones."""

    type: Literal["cost"]
    max: Annotated[int, Field(gt=0)]


class Python(_Assertion):
    """A function of the user's, `file.py:function`, says yes of `(answer, context)`."""

    type: Literal["python"]
    value: Annotated[str, AfterValidator(_function)]


class Similar(_OfField):
    """The words, sorted and without regard to case, are the same to this share by edit distance (0 to 1).

    It knows nothing of meaning: use it where the wording is to stay near a text.
    """

    type: Literal["similar"]
    value: Text
    threshold: Annotated[float, Field(gt=0, le=1)]


class Rubric(_OfField):
    """A model, the set's `grader`, says that the answer meets this sentence."""

    type: Literal["rubric"]
    value: Text


Assertion = Annotated[
    Equals
    | Contains
    | NotContains
    | Regex
    | IsJson
    | FitsSchema
    | JsonPath
    | Length
    | Words
    | Language
    | Latency
    | Cost
    | Python
    | Similar
    | Rubric,
    Field(discriminator="type"),
]

_KINDS: tuple[type[_Assertion], ...] = (
    Equals, Contains, NotContains, Regex, IsJson, FitsSchema, JsonPath, Length, Words, Language, Latency, Cost,
    Python, Similar, Rubric,
)  # fmt: skip

TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    kind.model_fields["type"].annotation.__args__[0]: tuple(  # type: ignore[union-attr]
        field.alias or name for name, field in kind.model_fields.items()
    )
    for kind in _KINDS
}
"""The options of each type of assertion."""
