"""Compositions walked with models: whom a node asks, and how its answer is read, as the assets do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imageworks.errors import AnswerMisread
from imageworks.judge_vision.comparing import read_pairwise
from imageworks.judge_vision.critiquing import read_critique
from imageworks.personal_tagger.tagging import (
    most_keywords,
    read_caption,
    read_description,
    read_keywords,
)
from imageworks_dagster.pipelines import PIPELINES
from prompt_hub.errors import NobodyToAsk
from prompt_hub.testing.targets import reading_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_hub.composition.graph import AskNode
    from prompt_hub.composition.walking import Read
    from registry.registry import Registry
    from registry.schema import Model

ROLES: Final = {
    stage.asks.profile_stage: stage.asks.role
    for one in PIPELINES.values()
    for stage in one.stages
    if stage.asks
}
"""The role of the model that a profile stage is asked of."""


def model_of(registry: Registry) -> Callable[[AskNode], Model]:
    """Whom a node asks: its own model or role, else the role that its stage is asked by.

    The function raises:
        NobodyToAsk: There is neither.
        registry.errors.RegistryError: There is no such model, or it cannot chat.
        ReadsNoPrompt: The model answers by rule.
    """

    def resolve(node: AskNode) -> Model:
        name = node.model or ROLES.get(node.stage)
        if name is None:
            raise NobodyToAsk(
                f"Node {node.name!r} names no model, and its stage {node.stage} is asked by no role. Give it a `model`."
            )
        return reading_model(registry, name, instead=f"with `model` in the node {node.name}")

    return resolve


def _reading(read: Callable[[Any, Mapping[str, Any]], dict[str, Any]]) -> Read:
    """The same, with the one error that a walk knows."""

    def reading(data: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return read(data, schema)
        except AnswerMisread as error:
            raise ValueError(str(error)) from error

    return reading


READERS: Final[Mapping[str, Read]] = {
    "caption": _reading(lambda data, _: {"caption": read_caption(data)}),
    "keywords": _reading(
        lambda data, schema: {"keywords": list(read_keywords(data, max_keywords=most_keywords(schema)))}
    ),
    "description": _reading(lambda data, _: {"description": read_description(data)}),
    "critique": _reading(lambda data, _: read_critique(data).model_dump()),
    "pairwise": _reading(lambda data, _: read_pairwise(data).model_dump()),
}
"""By profile stage."""
