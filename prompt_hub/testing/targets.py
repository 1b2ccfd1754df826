"""What is tested: profiles as somebody named them, and the models that read prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.errors import ReadsNoPrompt

if TYPE_CHECKING:
    from prompt_hub.schema import PromptProfile
    from registry.registry import Registry
    from registry.schema import Model


@dataclass(frozen=True)
class Target:
    """A profile to test, and how somebody named it: an id, `id@label` or `id@hash`."""

    reference: str
    profile: PromptProfile


def reading_model(registry: Registry, name: str, *, instead: str = "with --model") -> Model:
    """The model of a name or role, which must read prompts.

    Args:
        registry: The models there are.
        name: A model or a role.
        instead: How another is named where a person asks, beside the registry's roles.

    Raises:
        registry.errors.RegistryError: There is none, or it cannot chat.
        ReadsNoPrompt: It answers by rule.
    """
    model = registry.resolve(name, needs={"chat"})
    if model.is_embedded:
        role = f"the role {name}" if name in registry.roles else "a role"
        raise ReadsNoPrompt(
            f"{model.name} answers by rule and reads no prompt. Name a model that does: {instead}, or for {role} in "
            f"registry.yaml (docs/models.md)."
        )
    return model
