"""Which file says each field of an effective profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.layers import SHIPPED
from store.path_text import path_text

if TYPE_CHECKING:
    from prompt_hub.hub import PromptHub
    from prompt_hub.schema import PromptProfile

_LONGEST_SHOWN: Final = 240


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an effective profile, and the file that says it."""

    name: str
    text: str
    layer: str
    file: str


def fields_of(hub: PromptHub, profile: PromptProfile) -> list[Field]:
    """The fields of a profile in the order of their names, each with its file."""
    fields = []
    for name, file in sorted(hub.provenance[profile.id].items()):
        value = _value_of(profile, name)
        text = value if isinstance(value, str) else "" if value is None else str(value)
        fields.append(Field(name, text[:_LONGEST_SHOWN], layer_of(file), _short_file(file)))
    return fields


def layer_of(file: str) -> str:
    """`shipped`, or `yours` for a file of the user's."""
    return "shipped" if file.startswith(path_text(SHIPPED)) else "yours"


def _value_of(profile: PromptProfile, name: str) -> Any:
    value: Any = profile.model_dump(mode="json", by_alias=True)
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _short_file(file: str) -> str:
    shipped = path_text(SHIPPED)
    return file.removeprefix(f"{shipped}/") if file.startswith(shipped) else file.rpartition("/")[2]
