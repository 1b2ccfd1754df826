"""Batches whose tables were made with another prompt than they would be now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.splits import WHOLE, Split, is_split
from prompt_hub.revisions.store import resolve
from store.artifacts import TableStore
from store.batches import batches
from telemetry.errors import ManifestError
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.hub import PromptHub
    from prompt_hub.revisions.store import PromptStore
    from prompt_hub.schema import PromptProfile
    from store.home import Home
    from telemetry.manifest import PinnedProfile


@dataclass(frozen=True, slots=True)
class StaleBatch:
    """A batch with the tables that would be made otherwise now.

    Attributes:
        pipeline: `judge` or `tagger`.
        name: The batch.
        assets: The tables.
        is_published: Whether its results were announced; such a batch runs only when somebody has it run.
    """

    pipeline: str
    name: str
    assets: tuple[str, ...]
    is_published: bool


def stale_batches(home: Home, hub: PromptHub, prompts: PromptStore, profile_id: str) -> list[StaleBatch]:
    """The batches with a current table that a profile's stage made and that it would make otherwise now.

    Args:
        home: Whose manifests say what made a table.
        hub: What the files say.
        prompts: What is kept, and its labels.
        profile_id: The profile.

    Raises:
        StoreError: The state database cannot be read.
    """
    current = TableStore(home, prompts.database).pointers()
    manifests = {run_id: _profiles_of(home, run_id) for run_id in {pointer.run_id for pointer in current}}
    found = []
    for batch in batches(prompts.database):
        assets = []
        for pointer in current:
            if pointer.batch != batch.name or not pointer.asset.startswith(f"{batch.pipeline}/"):
                continue
            made_with = manifests[pointer.run_id].get(pointer.asset)
            if made_with is None:
                continue
            named = (batch.pins.get(pointer.asset) or {}).get("profile") or _named(made_with)
            if _is_other(named, made_with, profile_id, hub, prompts):
                assets.append(pointer.asset)
        if assets:
            found.append(StaleBatch(batch.pipeline, batch.name, tuple(assets), batch.state == "published"))
    return found


def _profiles_of(home: Home, run_id: str) -> Mapping[str, PinnedProfile]:
    try:
        return read_manifest(home, run_id).profiles
    except ManifestError:
        # Nobody can say what made it; a manifest that is gone makes nothing stale.
        return {}


def _named(made_with: PinnedProfile) -> str:
    """What a run was told to ask with."""
    if made_with.shares:
        return ",".join(f"{share.reference}:{share.percent}" for share in made_with.shares)
    return made_with.reference or made_with.profile_id


def _is_other(
    named: str, made_with: PinnedProfile, profile_id: str, hub: PromptHub, prompts: PromptStore
) -> bool:
    """Whether a table was or would be made with the profile, and with another stage of it than now."""
    then = [(share.percent, share.profile_id, share.stage_hash) for share in made_with.shares] or [
        (WHOLE, made_with.profile_id, made_with.stage_hash)
    ]
    try:
        now = [
            (percent, profile.id, profile.stage_hash(made_with.profile_stage))
            for percent, profile in _parts(named, hub, prompts)
        ]
    except PromptHubError:
        # What it names is no longer there: its next run will say so.
        return any(one == profile_id for _, one, _ in then)
    return now != then and any(one == profile_id for _, one, _ in (*then, *now))


def _parts(named: str, hub: PromptHub, prompts: PromptStore) -> list[tuple[int, PromptProfile]]:
    """The profiles that a batch names, each with its share of the photos in percent."""
    if not is_split(named):
        return [(WHOLE, resolve(named, hub, prompts))]
    return [(share.percent, resolve(share.text, hub, prompts)) for share in Split.parse(named).shares]
