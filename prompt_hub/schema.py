"""Prompt profiles as they are used: effective, checked, frozen, and the same after a trip through JSON."""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)

from prompt_hub.errors import TemplateRefused, UnknownStage
from prompt_hub.hashing import profile_digest, stage_digest
from prompt_hub.json_schemas import Place, in_required_order, output_problems, variable_problems
from registry.nearest import did_you_mean
from registry.parameters import problem_with
from store.yaml_reading import field_text

Application = Literal["base", "judge_vision", "personal_tagger"]

MAX_TEMPLATE_BYTES = 64 * 1024
MAX_IMAGES = 8

# What templates and Jinja2 itself already mean by these words.
_TAKEN = frozenset(
    {
        "caller",
        "context",
        "environment",
        "false",
        "kwargs",
        "loop",
        "none",
        "self",
        "super",
        "true",
        "varargs",
    }
) | {"and", "else", "if", "in", "is", "not", "or"}


def template_text(text: str) -> str:
    """A template's text without what is only formatting: blank lines around it, Windows' line ends.

    Raises:
        TemplateRefused: it is larger than 64 KiB.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    lines = text.split("\n")
    while lines and not lines[0].strip():
        del lines[0]
    text = "\n".join(lines)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        raise TemplateRefused(f"is larger than {MAX_TEMPLATE_BYTES // 1024} KiB, the limit of a template")
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("is empty; a request needs a user message")
    return text


def _free_name(name: str) -> str:
    if name in _TAKEN:
        raise ValueError(f"{name!r} means something else in a template; choose another name")
    return name


def _known_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    problems = [
        f"{name} {problem}" for name, value in parameters.items() if (problem := problem_with(name, value))
    ]
    if problems:
        raise ValueError("; ".join(problems))
    return parameters


def _variable_schema(schema: dict[str, Any]) -> dict[str, Any]:
    _raise_all(variable_problems(schema))
    return schema


def _output_schema(schema: dict[str, Any]) -> dict[str, Any]:
    _raise_all(output_problems(schema))
    ordered: dict[str, Any] = in_required_order(schema)
    return ordered


def _raise_all(problems: Iterable[tuple[Place, str]]) -> None:
    told = [f"{field_text(place)}: {problem}" if place else problem for place, problem in problems]
    if told:
        raise ValueError("; ".join(told))


PROFILE_ID = r"^[a-z0-9][a-z0-9_-]{0,59}$"

ProfileId = Annotated[str, StringConstraints(pattern=PROFILE_ID)]
StageName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
VariableName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$"), AfterValidator(_free_name)
]
TemplateText = Annotated[str, AfterValidator(template_text)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )


_P = TypeVar("_P", bound=_Part)


class VariableDeclaration(_Part):
    """A value that a template may print or ask about."""

    description: str = Field(default="", description="What it is, for whoever fills it in.")
    # Named apart because pydantic's models have a `schema` of their own.
    value_schema: Annotated[dict[str, JsonValue], AfterValidator(_variable_schema)] = Field(
        alias="schema", description="JSON Schema that every value must fit."
    )
    required: bool = Field(default=True, description="Whether a value must be given.")


class StageTemplate(_Part):
    """What is said to a model at one profile stage, and what the answer must look like."""

    system: TemplateText = Field(default="", description="Template of the system message.")
    user: Annotated[TemplateText, AfterValidator(_not_empty)] = Field(
        description="Template of the user message, which goes with the pictures."
    )
    variables: dict[VariableName, VariableDeclaration] = Field(
        default_factory=dict, description="The values that the templates may use, and no others."
    )
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_known_parameters)] = Field(
        default_factory=dict, description="Parameters of the request, by their canonical names."
    )
    output: Annotated[dict[str, JsonValue], AfterValidator(_output_schema)] = Field(
        description="JSON Schema of the answer; its `required` list is the order of the fields."
    )
    images: int = Field(default=1, ge=0, le=MAX_IMAGES, description="How many pictures go with the request.")

    @cached_property
    def hash(self) -> str:
        """`stage_hash`: SHA-256 of what this stage says and asks for."""
        return stage_digest(self.model_dump(mode="json"))

    @property
    def input_schema(self) -> dict[str, Any]:
        """The stage's variables as the JSON Schema of one object; a profile's file may say them so, too."""
        return {
            "type": "object",
            "properties": {
                name: {**one.value_schema, **({"description": one.description} if one.description else {})}
                for name, one in self.variables.items()
            },
            "required": [name for name, one in self.variables.items() if one.required],
            "additionalProperties": False,
        }

    def model_copy(self, *, update: Any = None, deep: bool = False) -> Self:
        """A copy, whose hash is its own."""
        return _without_hash(super().model_copy(update=update, deep=deep))


class PromptProfile(_Part):
    """An effective prompt profile: inheritance, layers and partials are resolved in it."""

    id: ProfileId = Field(description="Its name, as users choose it.")
    application: Application = Field(description="What it is for; `base` profiles are there to be extended.")
    description: str = Field(default="", description="One or two sentences for whoever chooses.")
    extends: ProfileId | None = Field(default=None, description="The profile it was made from.")
    stages: dict[StageName, StageTemplate] = Field(default_factory=dict, description="Its profile stages.")

    @cached_property
    def hash(self) -> str:
        """`profile_hash`: SHA-256 of the whole effective profile."""
        return profile_digest(self.model_dump(mode="json"))

    def stage(self, name: str) -> StageTemplate:
        """The profile stage of this name.

        Raises:
            UnknownStage: there is none; names those that there are.
        """
        try:
            return self.stages[name]
        except KeyError:
            hint = did_you_mean(name, self.stages).capitalize()
            stages = f"It has {', '.join(self.stages)}." if self.stages else "It has none."
            raise UnknownStage(f"Profile {self.id!r} has no stage {name!r}. {hint}{stages}") from None

    def stage_hash(self, name: str) -> str:
        """The hash of one stage.

        Raises:
            UnknownStage: there is no such stage.
        """
        return self.stage(name).hash

    def model_copy(self, *, update: Any = None, deep: bool = False) -> Self:
        """A copy, whose hash is its own."""
        return _without_hash(super().model_copy(update=update, deep=deep))


def _without_hash(part: _P) -> _P:
    part.__dict__.pop("hash", None)
    return part
