"""Canonical parameters as each provider calls them: an allow-list, and a word on what was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backends.errors import InvalidRequest
from registry.parameters import KINDS, problem_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.schema import Limit, Model

VLLM: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "max_output_tokens": "max_completion_tokens",
    "stop": "stop",
    "repetition_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "thinking": "chat_template_kwargs.enable_thinking",
}
"""vLLM ignores what it does not know without a word, so nothing but these may be sent."""

OPENAI: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_output_tokens": "max_completion_tokens",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
"""What any server of the OpenAI protocol takes; some answer an unknown one with an error."""

TRTLLM: Final[Mapping[str, str]] = {
    **OPENAI,
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repetition_penalty",
}
"""TensorRT-LLM answers anything else with an error."""

OLLAMA: Final[Mapping[str, str]] = {
    "temperature": "options.temperature",
    "top_p": "options.top_p",
    "top_k": "options.top_k",
    "min_p": "options.min_p",
    "seed": "options.seed",
    "max_output_tokens": "options.num_predict",
    "stop": "options.stop",
    "repetition_penalty": "options.repeat_penalty",
    "presence_penalty": "options.presence_penalty",
    "frequency_penalty": "options.frequency_penalty",
    "thinking": "think",
}
"""Ollama's own protocol; it ignores what it does not know, with a warning in its log alone."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Parameters as a provider takes them.

    Attributes:
        fields: Fields of the body, by the provider's names.
        dropped: What was not sent as it was asked for, in words that begin with the canonical name.
    """

    fields: dict[str, Any]
    dropped: tuple[str, ...]


def map_parameters(
    model: Model, parameters: Mapping[str, Any], names: Mapping[str, str], *, sample: int = 0
) -> Mapped:
    """The model's defaults and the request's parameters, as a provider takes them.

    A parameter that the model or the provider does not take is dropped, one beyond the model's limits is set to
    the limit; both are reported. A seed is moved on by `sample`: the same seed would give the same answer again.

    Args:
        model: Says defaults, allowed names and limits.
        parameters: By canonical name, over the model's defaults; None means not set.
        names: Canonical name to the provider's; a dot makes a nested field.
        sample: Which sample of the same question this is.

    Raises:
        InvalidRequest: A value is none that the parameter takes.
    """
    wanted = wanted_parameters(model, parameters)
    fields: dict[str, Any] = {}
    dropped: list[str] = []
    for name in sorted(wanted):
        value = wanted[name]
        if value is None:
            continue
        if problem := problem_with(name, value):
            raise InvalidRequest(f"Parameter {name}={value!r} for model {model.name!r} {problem}.")
        if name not in names or name not in model.parameters.allowed:
            dropped.append(name)
            continue
        limited = _limited(model, name, value)
        if limited != value:
            dropped.append(f"{name}={value} (limited to {limited})")
        if name == "seed":
            limited += sample
        _put(fields, names[name], limited)
    return Mapped(fields, tuple(dropped))


def wanted_parameters(model: Model, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The model's defaults with the request's parameters over them."""
    defaults: Mapping[Any, Any] = model.parameters.defaults
    return {**defaults, **parameters}


def _limited(model: Model, name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    limits: Mapping[Any, Limit] = model.parameters.limits
    limit = limits.get(name)
    low = limit.min if limit is not None else None
    high = limit.max if limit is not None else None
    chat = model.capabilities.chat
    if name == "max_output_tokens" and chat is not None:
        high = chat.max_output_tokens if high is None else min(high, chat.max_output_tokens)
    # By the parameter, not by the value: a temperature written as 0 is raised to 0.1, and a count stays whole.
    whole = KINDS[name].kind == "integer"
    if low is not None and value < low:
        return math.ceil(low) if whole else low
    if high is not None and value > high:
        return math.floor(high) if whole else high
    return value


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    outer, dot, inner = name.partition(".")
    if dot:
        _put(fields.setdefault(outer, {}), inner, value)
    else:
        fields[name] = value
