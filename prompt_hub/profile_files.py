"""A profile as it is written in a file: any part of a profile, and nothing that a profile may not say."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from prompt_hub.errors import FileProblem
from prompt_hub.schema import Application, ProfileId
from prompt_hub.written_schemas import ProfileDocument, in_one_form
from registry.nearest import did_you_mean
from store.yaml_reading import (
    FieldPath,
    YamlDocument,
    YamlError,
    field_text,
    parse_yaml_document,
    read_yaml_document,
)

MISSING = "is missing"


class _Written(BaseModel):
    # Unknown fields are refused, so no layer can set an endpoint, a key, a header or a path.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, regex_engine="python-re")


class VariableFile(_Written):
    """A variable as written; null takes an inherited field away."""

    description: str | None = None
    value_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    required: bool | None = None


class StageFile(_Written):
    """A stage as written; null takes an inherited field away."""

    system: str | None = None
    user: str | None = None
    variables: dict[str, VariableFile | None] | None = None
    parameters: dict[str, JsonValue] | None = None
    output: dict[str, JsonValue] | None = None
    images: int | None = None


class ProfileFile(_Written):
    """A profile as written; null takes an inherited field away."""

    id: ProfileId
    application: Application | None = None
    description: str | None = None
    extends: ProfileId | None = None
    partials: dict[str, str | None] | None = None
    stages: dict[str, StageFile | None] | None = None


def read_profile_file(path: Path) -> ProfileDocument | tuple[FileProblem, ...]:
    """Read one file: its document, with variables and answers in one form, or what is wrong with it."""
    return _read(lambda: read_yaml_document(path))


def parse_profile_text(text: str, source: str) -> ProfileDocument | tuple[FileProblem, ...]:
    """Read a file's text, which `source` names: its document, or what is wrong with it."""
    return _read(lambda: parse_yaml_document(text, source))


def _read(reading: Callable[[], YamlDocument]) -> ProfileDocument | tuple[FileProblem, ...]:
    try:
        document = reading()
    except YamlError as error:
        return (FileProblem(error.source, error.line, error.field, error.problem),)
    brought, wrong = in_one_form(document)
    if wrong:
        return tuple(
            FileProblem(document.source, document.line_of(place), field_text(place), problem)
            for place, problem in wrong
        )
    problems = tuple(_problems(brought))
    return problems or brought


def _problems(document: YamlDocument) -> Iterator[FileProblem]:
    if not isinstance(document.value, dict):
        yield FileProblem(document.source, 1, "", "holds no profile; it needs at least `id` and `stages`")
        return
    try:
        ProfileFile.model_validate(document.value)
    except ValidationError as error:
        for place, problem in validation_problems(error):
            yield FileProblem(document.source, document.line_of(place), field_text(place), problem)


def validation_problems(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """The fields and problems that a validation found, in words for whoever wrote the file."""
    for found in error.errors(include_url=False):
        place = tuple(step for step in found["loc"] if step != "[key]")
        yield place, _in_words(found)


def _in_words(found: Mapping[str, Any]) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        return _no_field(found["loc"])
    if kind == "missing":
        return MISSING
    if kind == "value_error":
        return str(found["ctx"]["error"])
    if kind == "string_pattern_mismatch":
        return "must be lower-case letters, digits and _ (in an id also -), and start with a letter"
    message = str(found["msg"])
    return message[0].lower() + message[1:]


def _no_field(place: tuple[Any, ...]) -> str:
    shape: Any = {1: ProfileFile, 3: StageFile, 5: VariableFile}.get(len(place))
    known = [] if shape is None else [field.alias or name for name, field in shape.model_fields.items()]
    hint = did_you_mean(str(place[-1]), known)
    fields = f"; {hint}fields are {', '.join(known)}" if known else ""
    return f"is not a field here{fields}" + (
        ""
        if hint
        else ". Where models are served, and with which keys and headers, is for the model registry and the settings"
    )
