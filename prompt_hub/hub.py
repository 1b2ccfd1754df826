"""The Prompt Hub: every effective profile, by id, with where each of its fields comes from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from prompt_hub.errors import UnknownProfile
from prompt_hub.hashing import hub_digest
from prompt_hub.loading import load_profiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prompt_hub.schema import PromptProfile


@dataclass(frozen=True)
class PromptHub:
    """All profiles as they were when loaded.

    Attributes:
        profiles: Effective profiles by id, in alphabetical order.
        provenance: For each profile, the file of each field by its dotted name.
    """

    profiles: Mapping[str, PromptProfile]
    provenance: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, user_folder: Path | None = None, *, files: Iterable[Path] = ()) -> Self:
        """Read the shipped profiles and the user's over them.

        Args:
            user_folder: Folder of the user's YAML files; None, or one that does not exist, is an empty layer.
            files: Files that stand above the user's layer: those that somebody is trying out.

        Raises:
            ProfileFileError: A file is broken; all that is wrong, each with file, line and field.
            ProfileCycle: Profiles extend, or partials include, one another in a circle.
        """
        profiles, provenance = load_profiles(user_folder, files)
        return cls(MappingProxyType(profiles), MappingProxyType(provenance))

    @cached_property
    def version(self) -> str:
        """`prompt_hub_version`: digest of all effective profiles."""
        return hub_digest({profile_id: profile.hash for profile_id, profile in self.profiles.items()})

    def get(self, profile_id: str) -> PromptProfile:
        """The profile of this id.

        Raises:
            UnknownProfile: There is none; names the nearest ones.
        """
        try:
            return self.profiles[profile_id]
        except KeyError:
            nearest = difflib.get_close_matches(profile_id, self.profiles, n=3)
            hint = (
                f"Did you mean {' or '.join(nearest)}?"
                if nearest
                else f"There are {', '.join(self.profiles)}."
            )
            raise UnknownProfile(
                f"No prompt profile is called {profile_id!r}. {hint} `python -m prompt_hub list` shows them all."
            ) from None
