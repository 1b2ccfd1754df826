"""One rule that an entry breaks, or may break."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Finding(BaseModel):
    """One rule that an entry breaks or may break."""

    model_config = ConfigDict(frozen=True)

    rule: str
    verdict: Literal["query", "fail"]
    message: str = Field(description="Plain words, a sentence or two.")
    measured: str = ""
    allowed: str = ""
    confidence: float | None = Field(
        None, description="0-1, of a detector that looked at the picture; None where nothing was guessed."
    )
