"""Which profiles and stages a change reaches: those whose effective hash is another one after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.comparing import differing_stages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.schema import PromptProfile


@dataclass(frozen=True, slots=True)
class ReachedStage:
    """A profile stage that asks something else; a hash is empty where there is no such stage."""

    stage: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A profile that a change reaches.

    Attributes:
        profile_id: The profile.
        before: Its `profile_hash` before; empty where it is new.
        after: And after; empty where it is gone.
        extends: What it extends, from the nearest on, after the change; before it, where it is gone.
        stages: Its stages that ask something else; none where only words for people changed.
    """

    profile_id: str
    before: str
    after: str
    extends: tuple[str, ...]
    stages: tuple[ReachedStage, ...]


def reached(before: Mapping[str, PromptProfile], after: Mapping[str, PromptProfile]) -> list[Reached]:
    """What a change reaches, by id.

    Args:
        before: Effective profiles by id.
        after: The same after the change.
    """
    found = []
    for profile_id in sorted(before.keys() | after.keys()):
        old, new = before.get(profile_id), after.get(profile_id)
        was, now = ("" if one is None else one.hash for one in (old, new))
        if was != now:
            chain = ancestors(profile_id, before if new is None else after)
            found.append(Reached(profile_id, was, now, chain, _stages(old, new)))
    return found


def ancestors(profile_id: str, profiles: Mapping[str, PromptProfile]) -> tuple[str, ...]:
    """What a profile extends, from the nearest on."""
    chain: list[str] = []
    one = profiles.get(profile_id)
    while one is not None and one.extends is not None:
        chain.append(one.extends)
        one = profiles.get(one.extends)
    return tuple(chain)


def extended_by(profile_id: str, profiles: Mapping[str, PromptProfile]) -> list[str]:
    """The profiles that extend one, directly or through others."""
    return [one for one in profiles if profile_id in ancestors(one, profiles)]


def _stages(old: PromptProfile | None, new: PromptProfile | None) -> tuple[ReachedStage, ...]:
    if old is not None and new is not None:
        return tuple(ReachedStage(*stage) for stage in differing_stages(old, new))
    there = new or old
    assert there is not None  # noqa: S101 - the id is from one of the two
    return tuple(
        ReachedStage(name, "", stage.hash) if old is None else ReachedStage(name, stage.hash, "")
        for name, stage in there.stages.items()
    )
