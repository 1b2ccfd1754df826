"""Prompts as they are typed: checked with all the others, and nothing written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.editing import try_text
from prompt_hub.errors import FileProblem, ProfileCycle, ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Draft:
    """What came of a check.

    Attributes:
        hub: All profiles, as they would be; None where something is wrong.
        problems: What is wrong.
        doubts: What is only doubtful.
    """

    hub: PromptHub | None
    problems: tuple[FileProblem, ...] = ()
    doubts: tuple[FileProblem, ...] = ()


class Drafts:
    """Checks, and remembers what it has checked before. Use it from any thread."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._lock = threading.Lock()

    def now(self, folder: Path) -> Draft:
        """What the files say."""
        return self._checked("", lambda: PromptHub.load(folder, memory=self._memory))

    def check(self, folder: Path, profile_id: str, text: str) -> Draft:
        """What they would say if this were the file of a profile.

        Raises:
            BadProfileId: It is no id.
        """
        return self._checked(profile_id, lambda: try_text(folder, profile_id, text, memory=self._memory))

    def _checked(self, profile_id: str, load: Callable[[], PromptHub]) -> Draft:
        try:
            with self._lock:
                hub = load()
        except ProfileFileError as error:
            return Draft(None, error.problems)
        except ProfileCycle as error:
            return Draft(None, (FileProblem("", None, "", str(error)),))
        return Draft(hub, doubts=hub.doubts.get(profile_id, ()))
