"""What a library of 10,000 and of 100,000 photos costs in files, rows, runs and seconds: `python -m bench scale`.

No model is asked and no picture decoded where that would only cost time: rows, answers and events are made up, and go
through the store, the tables, telemetry and Dagster's instance as those of real runs do. The runs are real ones of the
tagger, as many as the library has batches, each over one small photo, since what Dagster keeps of a run does not depend
on its photos. From the two sizes a straight line leads to a million. `docs/scale.md` shows the figures.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from made_up_photos import write_photo

from backends.recall import KeptAnswer, keep, look_up
from bench.platform import QUIET
from bench.result import Result
from imageworks_dagster.definitions import build_definitions
from imageworks_dagster.identifying import Identified, known_files, remember
from imageworks_dagster.library import look_through
from imageworks_dagster.opened import OpenStore, close_stores, open_store
from imageworks_dagster.partitions import add_batches
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.tables import SHAPES
from photos.discovery import discover
from photos.facts import PhotoFacts
from store.batches import note_listed, register
from store.path_text import path_text
from store.settings import Settings
from telemetry.catalog import connect
from telemetry.compaction import compact
from telemetry.events import Attempt, Event, utc_now
from telemetry.spool import Spool
from telemetry.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.batches import Batch

SIZES = (10_000, 100_000)
GOAL = 1_000_000
BATCH = 1_000
FOLDER = 200
TOGETHER = 500
"""Answers that a client keeps in one commit."""

ASKING = tuple(stage.asset for stage in TAGGER.asking)
VOCABULARY = 2_000
"""Words that made-up captions, keywords and descriptions are put together from: nothing is to be packed away."""


@dataclass(frozen=True)
class Figure:
    """One line of the table in `docs/scale.md`.

    ``grows`` says whether a line is drawn: not for what is of one batch, one run or one page.
    """

    name: str
    words: str
    unit: str
    grows: bool = True


FIGURES = (
    Figure("look_s", "a look through the library for what changed", "s"),
    Figure("parts", "parts of tables (Parquet files)", ""),
    Figure("tables_mib", "tables, one run of each batch", "MiB"),
    Figure("publish_s", "publishing them", "s"),
    Figure("publish_ms_a_batch", "publishing the five tables of a batch", "ms", grows=False),
    Figure("state_mib", "state database", "MiB"),
    Figure("answers_mib", "of that, the bodies of kept answers", "MiB"),
    Figure("keep_s", "keeping three answers a photo", "s"),
    Figure("recall_ms_a_batch", "recalling a batch's answers", "ms", grows=False),
    Figure("known_ms_a_batch", "knowing a batch's files again", "ms", grows=False),
    Figure("events_mib", "events, compacted", "MiB"),
    Figure("event_files", "their files, compacted after each run", ""),
    Figure("compact_s", "compacting them, all runs together", "s"),
    Figure("summary_s", "`telemetry summary` over all events", "s"),
    Figure("runs", "runs of Dagster", ""),
    Figure("dagster_mib", "Dagster's storage (SQLite)", "MiB"),
    Figure("dagster_events", "its event log, in rows", ""),
    Figure("run_s", "what a run costs besides its photos, the last ten", "s", grows=False),
    Figure("runs_page_ms", "a page of 25 runs", "ms", grows=False),
    Figure("partitions_ms", "which batches an asset has been made for", "ms", grows=False),
)


def run() -> list[Result]:
    """Measure each size, and draw the line to a million photos."""
    # The first of everything is slower: it imports.
    _measure(BATCH)
    measured = {size: _measure(size) for size in SIZES}
    results = []
    for figure in FIGURES:
        values = [measured[size][figure.name] for size in SIZES]
        results += [
            Result(_name(size, figure), value, figure.unit) for size, value in zip(SIZES, values, strict=True)
        ]
        if figure.grows:
            results.append(Result(_name(GOAL, figure), _extrapolated(*values), figure.unit))
    return results


def page_rows(values: dict[str, float]) -> list[str]:
    """The rows of the table in `docs/scale.md`, from figures by name."""
    rows = []
    for figure in FIGURES:
        cells = [
            _shown(values[_name(size, figure)], figure.unit) if _name(size, figure) in values else "not drawn"
            for size in (*SIZES, GOAL)
        ]
        rows.append(f"| {figure.words} | {' | '.join(cells)} |")
    return rows


def _name(size: int, figure: Figure) -> str:
    return f"scale_{size}_{figure.name}"


def _extrapolated(small: float, large: float) -> float:
    """The straight line through both sizes."""
    return large + (large - small) / (SIZES[1] - SIZES[0]) * (GOAL - SIZES[1])


def _shown(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
    return f"{text} {unit}".strip()


def _measure(photos: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as text:
        place = Path(text)
        root = place / "Pictures"
        for number in range(photos):
            folder = root / f"{number // BATCH:04d}" / f"walk {number % BATCH // FOLDER}"
            if number % FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"img_{number:07d}.jpg").touch()
        try:
            store = open_store(Settings(home=place / "home", artifacts_url=None))
            return {**_library(store, root), **_dagster(place / "runs", photos // BATCH)}
        finally:
            close_stores()


def _library(store: OpenStore, root: Path) -> dict[str, float]:
    """Rows, answers and events of a library that was tagged once, batch by batch."""
    spent = dict.fromkeys(("publish_s", "keep_s", "compact_s"), 0.0)
    batches = [part.registered(store) for part in look_through(store, root, most=BATCH).due]
    digests = {part.folder: part.digest for part in look_through(store, root, most=BATCH).batches}
    for number, batch in enumerate(batches):
        run_id = f"run-{number:04d}"
        files = _identified(batch.folder)
        remember(store.database, files)
        spent["keep_s"] += _timed(partial(_keep, store, files))
        spool = Spool(store.home.spool)
        for event in _events(files, batch, run_id):
            spool.append(event)
        spool.close()
        spent["publish_s"] += _timed(partial(_publish, store, batch, files, run_id))
        # As the command does after each run.
        spent["compact_s"] += _timed(lambda: compact(store.home))
        note_listed(store.database, "tagger", batch.name, run_id=run_id, digest=digests[batch.folder])
    store.database.checkpoint()
    last = _identified(batches[-1].folder)
    asked = [_request(one, asset) for one in last for asset in ASKING]
    with connect(store.home, store.database) as connection:
        summary_s = _timed(lambda: summarize(connection))
    return {
        **spent,
        "look_s": _timed(lambda: look_through(store, root, most=BATCH)),
        "parts": _count(store.home.root / "assets", "*.parquet"),
        "tables_mib": _mib(store.home.root / "assets"),
        "publish_ms_a_batch": spent["publish_s"] / len(batches) * 1e3,
        "state_mib": sum(map(_size, store.home.root.glob("state.db*"))) / 2**20,
        "answers_mib": _kept_bytes(store) / 2**20,
        "recall_ms_a_batch": 1e3 * _timed(lambda: _all_known(look_up(store.database, asked), asked)),
        "known_ms_a_batch": 1e3
        * _timed(lambda: known_files(store.database, [one.file.place for one in last])),
        "events_mib": _mib(store.home.events),
        "event_files": _count(store.home.events, "*.parquet"),
        "summary_s": summary_s,
    }


def _identified(folder: Path) -> list[Identified]:
    facts = PhotoFacts(
        format="JPEG",
        width=6000,
        height=4000,
        orientation=1,
        mode="RGB",
        bits=8,
        icc_name="sRGB IEC61966-2.1",
        color_space="sRGB",
        captured_at="2026-06-01T08:30:00",
        frames=1,
    )
    return [
        Identified(
            file, _digest("photo", path_text(file.place)), _digest("file", path_text(file.place)), facts
        )
        for file in discover(folder).found
    ]


def _keep(store: OpenStore, files: list[Identified]) -> None:
    answers = [
        KeptAnswer(
            request_digest=_request(one, asset),
            answered_by=_asked(one, asset),
            model="my-vlm",
            model_revision=_digest("revision"),
            deployment="local",
            provider="vllm",
            text=_answer(asset, one),
            finish_reason="stop",
            input_tokens=1200,
            output_tokens=90,
            photo_ids=frozenset({one.photo_id or ""}),
        )
        for one in files
        for asset in ASKING
    ]
    for start in range(0, len(answers), TOGETHER):
        together = answers[start : start + TOGETHER]
        store.database.write(partial(keep, answers=together))


def _events(files: list[Identified], batch: Batch, run_id: str) -> Iterator[Event]:
    for one in files:
        for asset in ASKING:
            spread = int(_digest(asset, one.file.relative)[:4], 16) / 65.536
            yield Event(
                event_id=_asked(one, asset),
                request_digest=_request(one, asset),
                stage=asset,
                model="my-vlm",
                enqueued_at=utc_now(),
                total_ms=1500 + spread,
                status="ok",
                run_id=run_id,
                batch=batch.name,
                entry_id=f"{batch.name}/{one.file.relative}",
                photo_ids=(one.photo_id or "",),
                profile_id="library",
                profile_stage=asset.partition("/")[2],
                profile_hash=_digest("profile"),
                stage_hash=_digest(asset),
                model_revision=_digest("revision"),
                served_model="my-vlm",
                deployment="local",
                provider="vllm",
                ttft_ms=200 + spread / 10,
                backend_ms=1400 + spread,
                attempts=(
                    Attempt(
                        number=1, started_ms=1.0, duration_ms=1400 + spread, status="ok", http_status=200
                    ),
                ),
                attempt_count=1,
                input_tokens=1200,
                output_tokens=90,
                bytes_out=180_000,
                bytes_in=900,
                finish_reason="stop",
                schema_valid=True,
                answer_kept=True,
            )


def _publish(store: OpenStore, batch: Batch, files: list[Identified], run_id: str) -> None:
    for asset in (stage.asset for stage in TAGGER.stages):
        shape = SHAPES[asset]
        names = {column.name for column in shape.columns}
        rows = [
            {
                name: value
                for name, value in {
                    **one.entry_columns,
                    "entry_id": f"{batch.name}/{one.file.relative}",
                    "batch": batch.name,
                    "run_id": run_id,
                    "answered_by": _asked(one, asset),
                    "recalled": False,
                    "request_digest": _request(one, asset),
                    "profile_id": "library",
                    "stage_hash": _digest(asset),
                    "model": "my-vlm",
                    "model_revision": _digest("revision"),
                    "deployment": "local",
                    "repaired": False,
                    **_said(asset, one),
                }.items()
                if name in names
            }
            for one in files
        ]
        store.tables.publish(
            asset=asset,
            batch=batch.name,
            run_id=run_id,
            table=shape.build(rows),
            volatile=shape.volatile,
            expected=store.tables.current(asset, batch.name),
            key=shape.key,
        )


def _said(asset: str, one: Identified) -> dict[str, Any]:
    """What a stage's row has besides what all have; as long as what models write."""
    caption, keywords = _words(one, "caption", 18), _words(one, "keywords", 10).split()
    description = _words(one, "description", 60)
    said: dict[str, dict[str, Any]] = {
        "tagger/photos": {
            "existing_keywords": [],
            "context": '{"folders":["2026","walk"],"time":"a June morning"}',
        },
        "tagger/captions": {"caption": caption},
        "tagger/keywords": {"keywords": keywords, "suggestions": [], "samples": 1},
        "tagger/descriptions": {"description": description},
        "tagger/metadata": {
            "state": "proposed",
            "title": caption,
            "description": description,
            "keywords": keywords,
            "added_keywords": keywords,
            "changes": [f"+ keyword {word}" for word in keywords],
        },
    }
    return said[asset]


def _words(one: Identified, what: str, count: int) -> str:
    draws = random.Random(f"{what} {one.file.place}")
    return " ".join(f"word{draws.randrange(VOCABULARY)}" for _ in range(count))


def _answer(asset: str, one: Identified) -> str:
    field = asset.partition("/")[2]
    return json.dumps({field: _words(one, field, 60 if field == "descriptions" else 18)})


def _dagster(place: Path, runs: int) -> dict[str, float]:
    """Runs of the tagger, one a batch, each over one small photo."""
    (place / "dagster").mkdir(parents=True)
    settings = Settings(home=place / "home")
    store = open_store(settings)
    job = build_definitions(settings=settings).resolve_job_def(TAGGER.name)
    times = []
    quiet = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(place / "dagster"), overrides=quiet) as instance:
        for number in range(runs):
            batch, folder = f"batch-{number:04d}", place / f"batch-{number:04d}"
            write_photo(folder / "a.jpg", seed=number, width=96, height=64)
            register(store.database, pipeline="tagger", name=batch, folder=folder)
            add_batches(instance, TAGGER.name, [batch])
            began = time.perf_counter()
            job.execute_in_process(instance=instance, partition_key=batch, run_config={"loggers": QUIET})
            times.append(time.perf_counter() - began)
        key = dg.AssetKey(TAGGER.stages[-1].asset.split("/"))
        events = sum(
            len(instance.get_records_for_run(record.dagster_run.run_id).records)
            for record in instance.get_run_records(limit=10)
        )
        return {
            "runs": runs,
            "dagster_mib": _mib(place / "dagster"),
            "dagster_events": events / min(10, runs) * runs,
            "run_s": sum(times[-10:]) / len(times[-10:]),
            "runs_page_ms": 1e3 * _timed(lambda: instance.get_run_records(limit=25)),
            "partitions_ms": 1e3 * _timed(lambda: instance.get_materialized_partitions(key)),
        }


def _request(one: Identified, asset: str) -> str:
    return _digest("request", asset, one.photo_id or "")


def _asked(one: Identified, asset: str) -> str:
    return _digest("asked", asset, one.photo_id or "")[:32]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _all_known(found: dict[str, KeptAnswer], asked: list[str]) -> None:
    if len(found) != len(asked):
        raise AssertionError(f"{len(found)} of {len(asked)} kept answers were found")


def _kept_bytes(store: OpenStore) -> int:
    from sqlalchemy import func, select  # noqa: PLC0415 - for this one question

    from store.tables import kept_answers  # noqa: PLC0415 - as above

    with store.database.read() as connection:
        return int(connection.execute(select(func.sum(kept_answers.c.bytes))).scalar_one())


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.rglob(pattern))


def _mib(folder: Path) -> float:
    return sum(map(_size, folder.rglob("*"))) / 2**20


def _size(path: Path) -> int:
    return os.lstat(path).st_size if path.is_file() else 0
