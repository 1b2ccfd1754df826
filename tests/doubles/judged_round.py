"""A home in which a round was judged twice and a shoot was tagged: tables, manifests and telemetry, made up here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from made_up_photos import write_photo

from photos.identity import photo_id
from store.artifacts import TableStore
from store.batches import register
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.decisions import Decision
from telemetry.events import Attempt, Event
from telemetry.gpu_samples import GpuSample
from telemetry.manifest import (
    PinnedModel,
    PinnedProfile,
    RunManifest,
    StageSummary,
    close_manifest,
    open_manifest,
    update_manifest,
)
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUND: Final = "spring-round"
SHOOT: Final = "harbor"
FIRST_RUN: Final = "11111111-0000-4000-8000-000000000001"
SECOND_RUN: Final = "22222222-0000-4000-8000-000000000002"
TAGGING: Final = "33333333-0000-4000-8000-000000000003"

HOSTILE: Final = "<script>alert(1)</script>"
TITLES: Final = ("Low Tide", HOSTILE, 'Quote" onload="alert(2)', "Lamplight")
LURKING: Final = "=HYPERLINK(1)"

SIGNALS: Final = {
    "luma_p1": 3.0,
    "luma_p50": 110.0,
    "luma_p99": 240.0,
    "luma_mean": 112.0,
    "clipped_shadows": 0.01,
    "clipped_highlights": 0.0,
    "contrast": 0.3,
    "saturation": 0.4,
    "colorfulness": 40.0,
    "sharpness": 200.0,
    "noise": 1.0,
    "edge_density": 0.3,
    "blockiness": 1.0,
}
_BEGAN: Final = datetime(2026, 3, 1, 10, tzinfo=UTC)


def make_home(root: Path, *, photos: int = len(TITLES), stage_hash: str = "a" * 64) -> None:
    """Make it.

    Args:
        root: The home folder.
        photos: Entries of the round; those beyond the first four have plain titles.
        stage_hash: What the prompt of the critiques is said to have been.
    """
    settings = Settings(home=root)
    home = Home.of(settings).create()
    folder, shoot = root.parent / "photos" / ROUND, root.parent / "photos" / SHOOT
    names = [f"photo-{number:04d}.jpg" for number in range(photos)]
    for number, name in enumerate(names[: len(TITLES)]):
        write_photo(folder / name, seed=number)
    write_photo(shoot / "IMG_1.jpg", seed=90)
    with StateDatabase.open(settings) as database:
        register(database, pipeline="judge", name=ROUND, folder=folder)
        register(database, pipeline="tagger", name=SHOOT, folder=shoot)
        tables = TableStore(home, database)
        for run_id, better in ((FIRST_RUN, 0), (SECOND_RUN, 2)):
            for asset, rows in _round(folder, names, better=better):
                key = ("entry_id", "opponent_id") if asset == "judge/playoff" else ("entry_id",)
                tables.publish(
                    asset=asset,
                    batch=ROUND,
                    run_id=run_id,
                    table=pa.Table.from_pylist(rows),
                    expected=tables.current(asset, ROUND),
                    key=key,
                )
        for asset, rows in _shoot(shoot):
            tables.publish(
                asset=asset, batch=SHOOT, run_id=TAGGING, table=pa.Table.from_pylist(rows), expected=None
            )
    for run_id in (FIRST_RUN, SECOND_RUN):
        _manifest(home, run_id, stage_hash)
    with Spool(home.spool) as spool:
        for record in _records():
            spool.append(record)


def _round(folder: Path, names: list[str], *, better: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    ids = [
        photo_id(folder / name) if (folder / name).exists() else f"{n:064x}" for n, name in enumerate(names)
    ]
    titles = [TITLES[n] if n < len(TITLES) else f"Photo {n}" for n in range(len(names))]
    rows = [
        {"entry_id": f"{ROUND}/{name}", "photo_id": one, "error_class": None, "error_message": None}
        for name, one in zip(names, ids, strict=True)
    ]
    prompt = {"profile_id": "club-judge", "model": "talker"}

    def table(**columns: list[Any]) -> list[dict[str, Any]]:
        return [{**row, **{key: values[n] for key, values in columns.items()}} for n, row in enumerate(rows)]

    count = len(names)
    scores = [(18 - n + (better if n == 1 else 0)) % 21 for n in range(count)]
    order = sorted(range(count), key=lambda n: (-scores[n], n))
    yield (
        "judge/entries",
        table(
            title=titles,
            relative_path=names,
            file_name=names,
            width=[320] * count,
            height=[240] * count,
        ),
    )
    yield "judge/compliance", table(verdict=["pass"] * count, findings=["[]"] * count)
    yield "judge/signals", [{**row, **SIGNALS} for row in rows]
    yield (
        "judge/critiques",
        [
            {
                **row,
                **prompt,
                "score": scores[n],
                "impact": scores[n],
                "composition": scores[n],
                "technique": scores[n],
                "critique": f"{titles[n]} holds the eye.",
                "improvement": HOSTILE,
                "answered_by": f"event-{n}",
            }
            for n, row in enumerate(rows)
        ],
    )
    yield (
        "judge/playoff",
        [
            {
                **rows[0],
                **prompt,
                "opponent_id": rows[1]["entry_id"],
                "playoff_round": 1,
                "winner": "second",
                "reason": HOSTILE,
            }
        ],
    )
    places = [order.index(n) + 1 for n in range(count)]
    yield (
        "judge/results",
        [
            {
                **row,
                **prompt,
                "title": titles[n],
                "place": places[n],
                "place_low": places[n],
                "place_high": places[n],
                "score": scores[n],
                "award": None,
                "tied": 0,
                "reason": None,
            }
            for n, row in enumerate(rows)
        ],
    )


def _shoot(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    row = {
        "entry_id": f"{SHOOT}/IMG_1.jpg",
        "photo_id": photo_id(folder / "IMG_1.jpg"),
        "error_class": None,
        "error_message": None,
    }
    facts = {"relative_path": "IMG_1.jpg", "file_name": "IMG_1.jpg", "width": 320, "height": 240, **SIGNALS}
    yield "tagger/photos", [{**row, **facts, "existing_keywords": ["boat"]}]
    yield "tagger/captions", [{**row, "caption": HOSTILE}]
    yield "tagger/keywords", [{**row, "keywords": ["boat", HOSTILE]}]
    proposed = {
        "title": HOSTILE,
        "description": None,
        "keywords": ["boat", HOSTILE],
        "added_keywords": [HOSTILE],
        "into": "IMG_1.jpg",
        "changes": [f"+ keywords: {HOSTILE}"],
    }
    yield "tagger/metadata", [{**row, **proposed, "state": "proposed", "write_id": None}]


def _manifest(home: Home, run_id: str, stage_hash: str) -> None:
    profile = PinnedProfile(
        profile_id="club-judge", profile_stage="critique", profile_hash="b" * 64, stage_hash=stage_hash
    )
    model = PinnedModel(model="talker", model_revision="c" * 64)
    open_manifest(
        home,
        RunManifest(
            run_id=run_id,
            pipeline="judge",
            batch=ROUND,
            profiles={"judge/critiques": profile},
            models={"judge/critiques": model},
        ),
    )
    summary = StageSummary(entries=4, ok=4, asked=4, seconds=2.0)

    def done(manifest: RunManifest) -> None:
        manifest.stages = {"judge/critiques": summary}

    update_manifest(home, run_id, done)
    close_manifest(home, run_id, "ok")


def _records() -> Iterator[Event | Decision | GpuSample]:
    for run, run_id in enumerate((FIRST_RUN, SECOND_RUN)):
        for number in range(4):
            at = (_BEGAN + timedelta(hours=run, seconds=number / 2)).isoformat(timespec="microseconds")
            failed = number == 3
            yield Event(
                event_id=f"event-{run}-{number}",
                request_digest=f"{number:064x}",
                stage="judge/critiques",
                model="talker",
                deployment="only",
                provider="vllm",
                enqueued_at=at,
                total_ms=400.0 + 100 * number,
                lease_wait_ms=50.0,
                backend_ms=300.0,
                status="error" if failed else "ok",
                error_class="backend_down" if failed else None,
                error_message=LURKING if failed else None,
                attempt_count=1,
                attempts=(Attempt(number=1, started_ms=1.0, duration_ms=90.0, status="ok", http_status=200),),
                run_id=run_id,
                batch=ROUND,
            )
            yield GpuSample(
                sample_id=f"sample-{run}-{number}",
                sampled_at=at,
                device="gpu-0",
                uuid="GPU-1",
                kind="whole",
                memory_total_mib=24_000,
                memory_used_mib=12_000 + number,
                utilization=0.5,
                run_id=run_id,
            )
        yield Decision(
            decision_id=f"decision-{run}",
            decided_at=(_BEGAN + timedelta(hours=run)).isoformat(timespec="microseconds"),
            mode="enforce",
            kind="loaded",
            model="talker",
            device="gpu-0",
            reason=f"talker is ready {HOSTILE}",
            holder="box:1",
            run_id=run_id,
            stage="judge/critiques",
            duration_ms=900.0,
        )
