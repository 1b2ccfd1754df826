"""Batches that are to be run once more by a policy, and what that costs: told before anything is run.

Counting alone: no photo is opened and no model asked. The count is the most that it can come to, since what has a kept
answer is not asked again; a request is said to take what the same model took for the same stage before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.promotions import overtaken
from imageworks_dagster.switches import stage_pins
from photos.discovery import discover
from photos.errors import PhotoError
from registry.errors import RegistryError
from store.batches import batches
from store.errors import TableError
from telemetry.catalog import connect
from telemetry.manifest import manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from registry.registry import Registry
    from store.batches import Batch
    from store.settings import Settings

Policy = Literal["unfinished", "failed", "stale", "all"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

WORDS: dict[Policy, str] = {
    "unfinished": "never ran to its end",
    "failed": "has entries without a result",
    "stale": "was made with a prompt that another was promoted over since",
    "all": "is open",
}

_QUESTIONS_AN_ENTRY = {"judge/playoff": 6}
"""Of a stage that never ran and asks more than once an entry: three rounds of pairs, each in both orders."""

_MEASURED = """
SELECT stage, model, count(*), avg(total_ms - coalesce(lease_wait_ms, 0)), avg(coalesce(input_tokens, 0)),
    avg(coalesce(output_tokens, 0))
FROM events WHERE status = 'ok' GROUP BY stage, model
"""


@dataclass(frozen=True)
class Took:
    """What a request of a stage took on the average: requests that were measured, ms without waits, tokens."""

    measured: int
    ms: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class StageCost:
    """What a stage of a batch costs.

    Attributes:
        asset: the stage.
        model: the model that it asks.
        requests: how many requests it comes to at most.
        took: what one took before; None where that model was never asked by that stage.
    """

    asset: str
    model: str
    requests: int
    took: Took | None


@dataclass(frozen=True)
class BatchCost:
    """A batch that is due, and what running it costs.

    Attributes:
        batch: the batch.
        photos: how many photos its folder holds.
        asked: how many of them a model is asked about at most, in the stage with the most.
        stages: by stage that asks.
        problem: why it cannot be run; None where it can.
    """

    batch: Batch
    photos: int = 0
    asked: int = 0
    stages: tuple[StageCost, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Estimate:
    """What several batches cost together: requests, unknown ones among them, seconds and tokens of the others."""

    requests: int
    unknown: int
    seconds: float
    input_tokens: int
    output_tokens: int


def estimate(stages: Iterable[StageCost], *, concurrency: int) -> Estimate:
    """The sum of what stages cost.

    Args:
        stages: of any number of batches, which run one after another.
        concurrency: requests in flight at once.
    """
    requests = unknown = 0
    seconds = input_tokens = output_tokens = 0.0
    for stage in stages:
        requests += stage.requests
        if stage.took is None:
            unknown += stage.requests
            continue
        # A stage with fewer requests than may be in flight takes as long as one of them.
        turns = max(stage.requests / concurrency, min(stage.requests, 1))
        seconds += turns * stage.took.ms / 1000
        input_tokens += stage.requests * stage.took.input_tokens
        output_tokens += stage.requests * stage.took.output_tokens
    return Estimate(requests, unknown, seconds, round(input_tokens), round(output_tokens))


def due_batches(
    store: OpenStore,
    settings: Settings,
    registry: Registry,
    policy: Policy,
    *,
    pipeline: str | None = None,
) -> list[BatchCost]:
    """The open batches that a policy means, by pipeline and name, with what each costs.

    Args:
        store: what is kept.
        settings: the settings in force.
        registry: the models.
        policy: which batches.
        pipeline: of this pipeline alone.
    """
    stale = {(one.batch.pipeline, one.batch.name): one.assets for one in overtaken(store, settings)}
    took = _took(store)
    finished = {(one.pipeline, one.batch) for one in manifests(store.home).runs if one.status == "ok"}
    found = []
    for batch in batches(store.database):
        if batch.state != "open" or (pipeline is not None and batch.pipeline != pipeline):
            continue
        key = (batch.pipeline, batch.name)
        changed = stale.get(key, ())
        if policy == "stale" and not changed:
            continue
        if policy == "unfinished" and key in finished and _is_whole(store, batch):
            continue
        if policy == "failed" and not _has_failures(store, batch):
            continue
        found.append(_cost(store, settings, registry, batch, changed=changed, took=took))
    return found


def _is_whole(store: OpenStore, batch: Batch) -> bool:
    """Whether the last stage's table was made no earlier than the first one's."""
    stages = PIPELINES[batch.pipeline].stages
    first, last = (store.tables.current(stage.asset, batch.name) for stage in (stages[0], stages[-1]))
    return first is not None and last is not None and last.moved_at >= first.moved_at


def _has_failures(store: OpenStore, batch: Batch) -> bool:
    last = PIPELINES[batch.pipeline].asking
    return any(
        row["error_class"]
        for stage in last
        for row in _rows(store, stage.asset, batch.name)
        if row["photo_id"]
    )


def _cost(
    store: OpenStore,
    settings: Settings,
    registry: Registry,
    batch: Batch,
    *,
    changed: tuple[str, ...],
    took: Mapping[tuple[str, str], Took],
) -> BatchCost:
    pipeline = PIPELINES[batch.pipeline]
    try:
        photos = len(discover(batch.folder, below=batch.below).found)
        models = {
            stage.asset: _model(registry, settings, pipeline, stage, batch) for stage in pipeline.asking
        }
    except (PhotoError, RegistryError) as error:
        return BatchCost(batch, problem=str(error))
    stages: list[StageCost] = []
    asked = 0
    anew = False
    for stage in pipeline.asking:
        # What a stage says anew, those after it are asked about anew.
        anew = anew or stage.asset in changed
        rows = _rows(store, stage.asset, batch.name)
        good = 0 if anew else sum(1 for row in rows if row["error_class"] is None)
        each = _QUESTIONS_AN_ENTRY.get(stage.asset, 1)
        whole = max(photos * each, len(rows)) if not rows else len(rows) if each > 1 else photos
        requests = max(0, whole - good)
        asked = max(asked, min(requests, photos))
        model = models[stage.asset]
        stages.append(StageCost(stage.asset, model, requests, took.get((stage.asset, model))))
    return BatchCost(batch, photos, asked, tuple(stages))


def _model(
    registry: Registry, settings: Settings, pipeline: Pipeline, stage: StageDeclaration, batch: Batch
) -> str:
    assert stage.asks is not None  # noqa: S101 - the caller goes through the asking stages alone
    named = stage_pins(pipeline, stage.asset, batch.pins, settings).get("model")
    return registry.resolve(named or stage.asks.role).name


def _rows(store: OpenStore, asset: str, batch: str) -> list[dict[str, str | None]]:
    if store.tables.current(asset, batch) is None:
        return []
    try:
        table = store.tables.read(asset, batch)
    except TableError:
        # One that cannot be read is made anew.
        return []
    rows: list[dict[str, str | None]] = table.select(["photo_id", "error_class"]).to_pylist()
    return rows


def _took(store: OpenStore) -> dict[tuple[str, str], Took]:
    with connect(store.home, store.database) as connection:
        rows = connection.execute(_MEASURED).fetchall()
    return {(stage, model): Took(*rest) for stage, model, *rest in rows}
