"""The Prompt Hub: every effective profile, by id, with where each of its fields comes from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from prompt_hub.caching import read_cache, sources, write_cache
from prompt_hub.errors import UnknownProfile
from prompt_hub.hashing import hub_digest
from prompt_hub.loading import load_profiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prompt_hub.errors import FileProblem
    from prompt_hub.memory import Memory
    from prompt_hub.schema import PromptProfile


@dataclass(frozen=True)
class PromptHub:
    """All profiles as they were when loaded.

    Attributes:
        profiles: Effective profiles by id, in alphabetical order.
        provenance: For each profile, the file of each field by its dotted name.
        doubts: What is doubtful in profiles that the user's layer says something of, by profile; each with its
            file, line and field.
    """

    profiles: Mapping[str, PromptProfile]
    provenance: Mapping[str, Mapping[str, str]]
    doubts: Mapping[str, tuple[FileProblem, ...]]

    @classmethod
    def load(
        cls,
        user_folder: Path | None = None,
        *,
        files: Iterable[Path] = (),
        memory: Memory | None = None,
        instead: Mapping[Path, str] = MappingProxyType({}),
    ) -> Self:
        """Read the shipped profiles and the user's over them, and check them all.

        Args:
            user_folder: Folder of the user's YAML files; None, or one that does not exist, is an empty layer.
            files: Files that stand above the user's layer: those that somebody is trying out.
            memory: What an earlier load left, for a faster one.
            instead: Texts that files of the user's layer are taken to hold, be the files there or not.

        Raises:
            ProfileFileError: A file is broken; all that is wrong, each with file, line and field.
            ProfileCycle: Profiles extend, or partials include, one another in a circle.
        """
        checked = load_profiles(user_folder, files, memory=memory, instead=instead)
        return cls(
            MappingProxyType({profile_id: one.profile for profile_id, one in checked.items()}),
            MappingProxyType({profile_id: one.provenance for profile_id, one in checked.items()}),
            MappingProxyType({profile_id: one.doubts for profile_id, one in checked.items() if one.doubts}),
        )

    @classmethod
    def load_cached(cls, user_folder: Path, cache: Path) -> Self:
        """The same for a start that is to be quick: what was checked before, from the same files, is not checked again.

        Args:
            user_folder: Folder of the user's YAML files.
            cache: A file that may be deleted at any time.

        Raises:
            ProfileFileError, ProfileCycle: As `load`.
        """
        try:
            made_from = sources(user_folder)
        except OSError:
            return cls.load(user_folder)  # which says what is wrong, and where
        if (kept := read_cache(cache, made_from)) is not None:
            hub = cls(kept.profiles, MappingProxyType(kept.provenance), MappingProxyType(kept.doubts))
            hub.__dict__["hashes"] = kept.hashes
            return hub
        hub = cls.load(user_folder)
        if sources(user_folder) == made_from:
            write_cache(cache, made_from, hub)
        return hub

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """`profile_hash` of every profile, by id."""
        return {profile_id: profile.hash for profile_id, profile in self.profiles.items()}

    @cached_property
    def version(self) -> str:
        """`prompt_hub_version`: digest of all effective profiles."""
        return hub_digest(self.hashes)

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
