"""The profiles that commands are about: those of a home folder, and the one that a reference names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.hub import PromptHub
from prompt_hub.revision_commands import opened
from prompt_hub.revisions.references import Reference, kept_revision
from store.home import Home
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prompt_hub.schema import PromptProfile


@dataclass(frozen=True)
class Named:
    """The profile of a reference.

    Attributes:
        profile: The effective profile.
        layers: The file of each of its fields, by dotted name.
    """

    profile: PromptProfile
    layers: Mapping[str, str]


def home_of(folder: Path | None) -> Home:
    """The home folder that a command is given, or that the settings name."""
    return Home.of(Settings() if folder is None else Settings(home=folder))


def hub_of(folder: Path | None, files: Iterable[Path] = ()) -> PromptHub:
    """All profiles of a home folder, with files above what it holds.

    Raises:
        ProfileFileError, ProfileCycle: As `PromptHub.load`.
    """
    home, tried = home_of(folder), list(files)
    if tried:
        return PromptHub.load(home.prompts, files=tried)
    return PromptHub.load_cached(home.prompts, home.cached_prompts)


def named(text: str, folder: Path | None) -> Named:
    """The profile that a reference names.

    Raises:
        PromptHubError: It names none.
        store.errors.DatabaseUnreachable: Nobody can say.
    """
    reference = Reference.parse(text)
    if not reference.is_kept:
        hub = hub_of(folder)
        return Named(hub.get(reference.profile_id), hub.provenance[reference.profile_id])
    with opened(folder) as (store, _):
        revision = kept_revision(reference, store.labels, store.revisions)
    return Named(revision.profile, revision.layers)
