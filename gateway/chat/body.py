"""The body of a chat completion, as programs of the OpenAI protocol send it."""

# pydantic reads the annotations when the classes are made.

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from registry.parameters import problem_with

MOST_MESSAGES: Final = 1024
MOST_TOOLS: Final = 128
MOST_PARTS: Final = 256

_Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Part(BaseModel):
    # Programs send more than any server takes; what would change an answer's meaning is refused by name below.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class TextPart(_Part):
    """A text of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(_Part):
    """Where a picture is: in the data URI itself."""

    url: str = Field(description="data:image/jpeg;base64,… No other URL is fetched.")
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(_Part):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


_Texts = str | Annotated[list[TextPart], Field(min_length=1, max_length=MOST_PARTS)]
_Parts = Annotated[
    list[Annotated[TextPart | ImagePart, Field(discriminator="type")]],
    Field(min_length=1, max_length=MOST_PARTS),
]


class SystemMessage(_Part):
    """What the model is told beforehand."""

    role: Literal["system", "developer"]
    content: _Texts
    name: _Name | None = None


class UserMessage(_Part):
    """What the user says and shows."""

    role: Literal["user"]
    content: str | _Parts
    name: _Name | None = None


class CalledFunction(_Part):
    """A function that the model called."""

    name: _Name
    arguments: str


class ToolCall(_Part):
    """A call of a tool."""

    id: _Name
    type: Literal["function"] = "function"
    function: CalledFunction


class AssistantMessage(_Part):
    """What the model said before."""

    role: Literal["assistant"]
    content: _Texts | None = None
    name: _Name | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1, max_length=MOST_TOOLS)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> AssistantMessage:
        if self.content is None and self.tool_calls is None and self.refusal is None:
            raise ValueError("needs content, tool_calls or refusal")
        return self


class ToolMessage(_Part):
    """What a tool answered."""

    role: Literal["tool"]
    content: _Texts
    tool_call_id: _Name


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Function(_Part):
    """A function that the model may call."""

    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Part):
    """A tool that the model may call."""

    type: Literal["function"]
    function: Function


class NamedFunction(_Part):
    """The name of a function."""

    name: _Name


class ChosenTool(_Part):
    """The tool that the model has to call."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(_Part):
    """A schema that the answer has to fit."""

    name: _Name = "answer"
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class SchemaFormat(_Part):
    """An answer of JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class PlainFormat(_Part):
    """An answer of text, or of any JSON object."""

    type: Literal["text", "json_object"]


class StreamOptions(_Part):
    """How an answer is streamed."""

    include_usage: bool | None = None


class PromptChoice(_Part):
    """A prompt of the Prompt Hub in place of messages."""

    id: _Name = Field(description="club-judge for what the files say, club-judge@label or club-judge@hash.")
    stage: _Name
    variables: dict[str, Any] = Field(default_factory=dict)
    images: Annotated[list[str], Field(max_length=MOST_PARTS)] = Field(
        default_factory=list, description="Pictures as data URIs."
    )


class TemplateOptions(_Part):
    """vLLM's name for what a chat template is told."""

    enable_thinking: bool | None = None


Stop = Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1, max_length=16)]


class ChatBody(_Part):
    """A chat completion that is asked for."""

    model: _Name = Field(description="A logical model of the registry, an alias, or a model role.")
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)] | None = None
    prompt: PromptChoice | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    response_format: Annotated[SchemaFormat | PlainFormat, Field(discriminator="type")] | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    n: Literal[1] | None = Field(default=None, description="One answer; ask again for another.")
    logprobs: Literal[False] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = Field(default=None, description="The older name of max_completion_tokens.")
    stop: Stop | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    chat_template_kwargs: TemplateOptions | None = None

    @model_validator(mode="after")
    def _one_way_to_ask(self) -> ChatBody:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("send either messages or a prompt")
        if self.prompt is not None and (self.tools or self.response_format):
            raise ValueError(
                "a prompt says itself what its answer looks like; leave tools and response_format out"
            )
        for name, value in self.parameters.items():
            if problem := problem_with(name, value):
                raise ValueError(f"{name} {problem}")
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """What was set of the parameters, by their canonical names."""
        longest = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        thinking = self.chat_template_kwargs.enable_thinking if self.chat_template_kwargs else None
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "seed": self.seed,
            "max_output_tokens": longest,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "repetition_penalty": self.repetition_penalty,
            "thinking": thinking,
        }
        return {name: value for name, value in given.items() if value is not None}
