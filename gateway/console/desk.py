"""What the console has at hand between visits; all of it may be lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.console.prompts.drafts import Drafts
from gateway.console.results.gallery import Galleries
from gateway.console.sessions import Sessions


@dataclass(frozen=True)
class Desk:
    """What is kept in memory.

    Attributes:
        sessions: Who is signed in.
        galleries: The tables of the batches that were looked at last.
        drafts: Checks prompts as they are typed.
    """

    sessions: Sessions = field(default_factory=Sessions)
    galleries: Galleries = field(default_factory=Galleries)
    drafts: Drafts = field(default_factory=Drafts)
