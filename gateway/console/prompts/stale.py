"""Batches whose tables were made with another prompt than they would be now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.references import Reference
from prompt_hub.revisions.store import resolve
from store.artifacts import TableStore
from store.batches import batches
from telemetry.errors import ManifestError
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from prompt_hub.hub import PromptHub
    from prompt_hub.revisions.store import PromptStore
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
    found = []
    for batch in batches(prompts.database):
        assets = []
        for pointer in current:
            if pointer.batch != batch.name or not pointer.asset.startswith(f"{batch.pipeline}/"):
                continue
            made_with = _made_with(home, pointer.run_id, pointer.asset)
            if made_with is None:
                continue
            named = (
                (batch.pins.get(pointer.asset) or {}).get("profile")
                or made_with.reference
                or made_with.profile_id
            )
            if Reference.parse(named).profile_id == profile_id and _is_other(named, made_with, hub, prompts):
                assets.append(pointer.asset)
        if assets:
            found.append(StaleBatch(batch.pipeline, batch.name, tuple(assets), batch.state == "published"))
    return found


def _made_with(home: Home, run_id: str, asset: str) -> PinnedProfile | None:
    try:
        return read_manifest(home, run_id).profiles.get(asset)
    except ManifestError:
        # Nobody can say what made it; a manifest that is gone makes nothing stale.
        return None


def _is_other(named: str, made_with: PinnedProfile, hub: PromptHub, prompts: PromptStore) -> bool:
    try:
        return resolve(named, hub, prompts).stage_hash(made_with.profile_stage) != made_with.stage_hash
    except PromptHubError:
        # What it names is no longer there: its next run will say so.
        return True
