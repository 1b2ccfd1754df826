"""Which open batches a promotion made stale: tables whose runs asked with another revision than is promoted now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks_dagster.assets.chosen import kept_parts
from imageworks_dagster.pipelines import PIPELINES
from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.splits import WHOLE
from prompt_hub.revisions.store import PromptStore
from store.batches import batches
from telemetry.errors import ManifestError
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import StageDeclaration
    from store.batches import Batch


@dataclass(frozen=True)
class Overtaken:
    """An open batch whose tables were made with another revision than is promoted now.

    Attributes:
        batch: The batch.
        assets: The stages whose own prompt is another one now.
        key: Names this state: another table or another promotion has another.
    """

    batch: Batch
    assets: tuple[str, ...]
    key: str


def overtaken(store: OpenStore) -> list[Overtaken]:
    """The open batches that a promotion made stale, by pipeline and name; those whose folder is gone are left out."""
    prompts = PromptStore.over(store.database)
    found = []
    for batch in batches(store.database):
        if batch.state != "open" or not batch.has_folder:
            continue
        states = {
            stage.asset: state
            for stage in PIPELINES[batch.pipeline].asking
            if (state := _state(store, prompts, batch, stage)) is not None
        }
        if states:
            digest = hashlib.sha256(repr(sorted(states.items())).encode()).hexdigest()[:24]
            key = f"promotion:{batch.pipeline}:{batch.name}:{digest}"
            found.append(Overtaken(batch, tuple(states), key))
    return found


def _state(store: OpenStore, prompts: PromptStore, batch: Batch, stage: StageDeclaration) -> str | None:
    """The run that made a stage's table and what is promoted since; None where it is what the run asked with."""
    assert stage.asks is not None  # noqa: S101 - the caller goes through the asking stages alone
    pointer = store.tables.current(stage.asset, batch.name)
    named = batch.pins.get(stage.asset, {}).get("profile")
    if pointer is None or not named:
        return None
    try:
        now = [
            (percent, one.profile.id, one.profile.stage_hash(stage.asks.profile_stage))
            for percent, one in kept_parts(named, prompts)
        ]
        pinned = read_manifest(store.home, pointer.run_id).profiles.get(stage.asset)
    except (PromptHubError, ManifestError):
        # A label that is gone is told by the next run; of a run whose manifest is gone nothing can be said.
        return None
    if not now or pinned is None or not pinned.is_kept:
        return None
    then = [(share.percent, share.profile_id, share.stage_hash) for share in pinned.shares]
    if now == (then or [(WHOLE, pinned.profile_id, pinned.stage_hash)]):
        return None
    return f"{pointer.run_id} {now}"
