"""One rule that an entry breaks, or may break."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SURE = 0.85
"""Confidence from which a finding may lead to more than a query."""

_SURENESS = ((0.95, "very sure"), (SURE, "sure"), (0.65, "fairly sure"), (0.0, "not sure"))


_CAPTIONS: Final = {
    "borders": "The line marks where the picture begins; beside it a corner, enlarged.",
    "mono": "The picture; beside it, only what has color of its own keeps it.",
    "near_duplicate": "Both entries; the line on the first is the edge of the second.",
    "reuse": "The earlier entry and this one; the line is the edge of this one.",
}


def evidence_name(rule: str, *photo_ids: str) -> str:
    """SHA-256 that names the picture of the evidence by what it shows: a rule, and its photos in order.

    It tells nobody which photos these are: a finding outlives a photo that is forgotten.
    """
    return hashlib.sha256(":".join((rule, *photo_ids)).encode("ascii")).hexdigest()


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
    evidence: str | None = Field(
        None,
        description="Name of the picture of the evidence; None where none is drawn. See `evidence_name`.",
    )

    @property
    def heading(self) -> str:
        """What it comes to, in few words."""
        if self.rule == "readable":
            return "Cannot be opened"
        return "Breaks a rule" if self.verdict == "fail" else "To be looked at"

    @property
    def caption(self) -> str:
        """What the picture of the evidence shows; empty where it needs no words."""
        return _CAPTIONS.get(self.rule, "")

    @property
    def shown_measured(self) -> str:
        """What was measured, where a person who looks at the picture of the evidence is to read it; else empty."""
        # Of an earlier round the message names it all.
        return self.measured if self.caption and self.rule != "reuse" else ""

    @property
    def sureness(self) -> str:
        """The confidence in words and percent; empty where nothing was guessed."""
        if self.confidence is None:
            return ""
        word = next(word for least, word in _SURENESS if self.confidence >= least)
        return f"{word}, {100 * self.confidence:.0f} %"
