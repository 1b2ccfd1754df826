"""What a backup says of itself: its first file, and the list of all others that is its last."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FORMAT: Literal[1] = 1


class Head(BaseModel):
    """The first file; who reads it knows what will come before any of it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(description="Of the archive; another one is another program's.")
    imageworks: str = Field(description="Version that took it.")
    taken_at: str = Field(description="When it was begun, ISO 8601.")
    most_bytes: Annotated[int, Field(ge=0)] = Field(description="More than all files together have.")
    tables: tuple[tuple[str, int], ...] = Field(description="Folder, relative to assets, and rows of each.")
    damaged: tuple[str, ...] = Field(
        description="Tables that were not whole in the home, and are not inside."
    )


FILES: TypeAdapter[dict[str, tuple[int, str]]] = TypeAdapter(dict[str, tuple[int, str]])
"""Size and SHA-256, in hex, of each file by name."""
