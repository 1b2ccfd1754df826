"""Which open batches a promotion made stale: tables whose runs asked with another revision than is promoted now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks.errors import BadPanel
from imageworks_dagster.assets.chosen import kept_parts
from imageworks_dagster.panels import profiles_named
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.switches import stage_pins
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
    from store.settings import Settings
    from telemetry.manifest import RunManifest


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


def overtaken(store: OpenStore, settings: Settings) -> list[Overtaken]:
    """The open batches that a promotion made stale, by pipeline and name; those whose folder is gone are left out."""
    prompts = PromptStore.over(store.database)
    found = []
    for batch in batches(store.database):
        if batch.state != "open" or not batch.has_folder:
            continue
        states = {
            stage.asset: state
            for stage in PIPELINES[batch.pipeline].asking
            if (state := _state(store, prompts, batch, stage, settings)) is not None
        }
        if states:
            digest = hashlib.sha256(repr(sorted(states.items())).encode()).hexdigest()[:24]
            key = f"promotion:{batch.pipeline}:{batch.name}:{digest}"
            found.append(Overtaken(batch, tuple(states), key))
    return found


def _state(
    store: OpenStore, prompts: PromptStore, batch: Batch, stage: StageDeclaration, settings: Settings
) -> str | None:
    """The run that made a stage's table and what is promoted since; None where it is what the run asked with."""
    assert stage.asks is not None  # noqa: S101 - the caller goes through the asking stages alone
    pointer = store.tables.current(stage.asset, batch.name)
    pins = stage_pins(PIPELINES[batch.pipeline], stage.asset, batch.pins, settings)
    if pointer is None or not (pins.get("profile") or pins.get("judges")):
        return None
    try:
        now = [
            (percent, one.profile.id, one.profile.stage_hash(stage.asks.profile_stage))
            for named in profiles_named(pins)
            for percent, one in kept_parts(named, prompts)
        ]
        then = _asked_with(read_manifest(store.home, pointer.run_id), stage.asset)
    except (PromptHubError, ManifestError, BadPanel):
        # A label that is gone is told by the next run; of a run whose manifest is gone nothing can be said.
        return None
    if not now or not then or now == then:
        return None
    return f"{pointer.run_id} {now}"


def _asked_with(manifest: RunManifest, asset: str) -> list[tuple[int, str, str]]:
    """The kept revisions that a run asked with: share in percent, profile, hash of its stage."""
    if judges := manifest.judges.get(asset):
        kept = [judge.profile for judge in judges if judge.profile.is_kept]
        return [(WHOLE, one.profile_id, one.stage_hash) for one in kept]
    pinned = manifest.profiles.get(asset)
    if pinned is None or not pinned.is_kept:
        return []
    shares = [(share.percent, share.profile_id, share.stage_hash) for share in pinned.shares]
    return shares or [(WHOLE, pinned.profile_id, pinned.stage_hash)]
