"""A hub that goes on: read anew in one step, and served as it was for as long as what is new is broken."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.hub import PromptHub
from prompt_hub.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload has changed.

    Attributes:
        before: `prompt_hub_version` before it.
        after: And after it.
        changed: Old and new `profile_hash` of each profile that changed, by id; None where there was, or is, none.
    """

    before: str
    after: str
    changed: Mapping[str, tuple[str | None, str | None]]


class LiveHub:
    """The hub of a program that runs on. Use it from any thread; whoever took `current` keeps what they took."""

    def __init__(self, user_folder: Path | None = None) -> None:
        """Load it for the first time.

        Raises:
            ProfileFileError: A file is broken.
            ProfileCycle: Profiles extend, or partials include, one another in a circle.
        """
        self._user_folder = user_folder
        self._memory = Memory()
        self._lock = threading.Lock()
        self._hub = PromptHub.load(user_folder, memory=self._memory)

    @property
    def current(self) -> PromptHub:
        """All profiles as they were at the last reload that went well."""
        return self._hub

    def reload(self) -> Reloaded:
        """Read and check everything, and serve it from now on.

        Raises:
            ProfileFileError, ProfileCycle: Something is broken; what was served before is served further.
        """
        with self._lock:
            before = self._hub
            after = PromptHub.load(self._user_folder, memory=self._memory)
            old, new = before.hashes, after.hashes
            changed = {
                profile_id: (old.get(profile_id), new.get(profile_id))
                for profile_id in sorted(old.keys() | new.keys())
                if old.get(profile_id) != new.get(profile_id)
            }
            self._hub = after
        return Reloaded(before.version, after.version, changed)
