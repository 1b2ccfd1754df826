"""Where a field of a profile comes from: its file, and the layer of that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_hub.layers import SHIPPED
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.layers import Layer
    from store.yaml_reading import FieldPath


@dataclass(frozen=True, slots=True)
class Source:
    """A file that says something of a profile.

    Attributes:
        layer: The layer it belongs to.
        file: Its path.
    """

    layer: Layer
    file: str

    @classmethod
    def of(cls, file: str) -> Source:
        """The source that a file is, by where it lies."""
        path = Path(file)
        if not path.is_relative_to(SHIPPED):
            return cls("user", file)
        return cls("base" if path.relative_to(SHIPPED).parts[0] == "base" else "application", file)

    def __str__(self) -> str:
        return (
            self.file
            if self.layer == "user"
            else f"shipped: {Path(self.file).relative_to(SHIPPED).as_posix()}"
        )


def source_of(field: FieldPath, layers: Mapping[str, str]) -> Source | None:
    """Which file says a field, or the nearest field around it; None where none says it, as for a default.

    Args:
        field: The field's path.
        layers: The file of each field by its dotted name, as hubs and revisions have them.
    """
    for length in range(len(field), 0, -1):
        file = layers.get(field_text(field[:length]))
        if file is not None:
            return Source.of(file)
    return None
