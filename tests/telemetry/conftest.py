"""Made-up events and a small made-up home."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from store.artifacts import TableStore
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
    from collections.abc import Callable, Iterator

_START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    numbers = itertools.count()

    def make(**values: Any) -> Event:
        number = next(numbers)
        facts: dict[str, Any] = {
            "event_id": f"event-{number:05}",
            "request_digest": f"{number:064x}",
            "stage": "judge/critiques",
            "model": "qwen2.5-vl-7b",
            "deployment": "vllm",
            "provider": "vllm",
            "enqueued_at": (_START + timedelta(seconds=number)).isoformat(timespec="microseconds"),
            "total_ms": 100.0 + number,
            "status": "ok",
            "attempt_count": 1,
            "attempts": (Attempt(number=1, started_ms=1.0, duration_ms=90.0, status="ok", http_status=200),),
        }
        return Event(**{**facts, **values})

    return make


@pytest.fixture
def make_decision() -> Callable[..., Decision]:
    numbers = itertools.count()

    def make(**values: Any) -> Decision:
        number = next(numbers)
        facts: dict[str, Any] = {
            "decision_id": f"decision-{number:05}",
            "decided_at": (_START + timedelta(seconds=number)).isoformat(timespec="microseconds"),
            "mode": "enforce",
            "kind": "evict",
            "model": "qwen2.5-vl-7b",
            "deployment": "vllm",
            "device": "gpu-0",
            "reason": "the chat has waited for 31 s",
            "priority": "interactive",
            "waited_ms": 31_000.0,
            "holder": "host:1",
        }
        return Decision(**{**facts, **values})

    return make


@pytest.fixture
def make_sample() -> Callable[..., GpuSample]:
    numbers = itertools.count()

    def make(**values: Any) -> GpuSample:
        number = next(numbers)
        facts: dict[str, Any] = {
            "sample_id": f"sample-{number:05}",
            "sampled_at": (_START + timedelta(seconds=number)).isoformat(timespec="microseconds"),
            "device": "gpu-0",
            "uuid": "GPU-0",
            "kind": "whole",
            "memory_total_mib": 24_576,
            "memory_used_mib": 10_000 + number,
            "utilization": 0.5,
        }
        return GpuSample(**{**facts, **values})

    return make


@pytest.fixture
def made_home(home, make_event) -> Iterator[tuple[Home, StateDatabase]]:
    """Two runs over one batch: the second recalled four of six, asked one anew, and one failed again.

    A third run crashed. The first run's events are compacted by nobody; all are in spools.
    """
    good: dict[str, Any] = {
        "batch": "spring",
        "profile_id": "club-judge",
        "profile_stage": "critique",
        "lease_wait_ms": 5.0,
        "backend_ms": 80.0,
        "input_tokens": 900,
        "output_tokens": 200,
        "schema_valid": True,
        "answer_kept": True,
    }
    failed: dict[str, Any] = {
        "status": "error",
        "error_class": "http_5xx",
        "error_message": "HTTP 500 from http://localhost:1: boom",
        "input_tokens": None,
        "output_tokens": None,
        "schema_valid": None,
        "answer_kept": False,
        "attempt_count": 2,
        "attempts": tuple(
            Attempt(
                number=number,
                started_ms=10.0 * number,
                duration_ms=9.0,
                status="error",
                http_status=500,
                error_class="http_5xx",
            )
            for number in (1, 2)
        ),
    }
    retried = (
        Attempt(number=1, started_ms=0.0, duration_ms=10.0, status="error", error_class="reset"),
        Attempt(number=2, started_ms=20.0, duration_ms=60.0, status="ok", http_status=200),
    )
    first = [
        make_event(
            **{**good, "run_id": "run-1", "entry_id": f"spring/{entry}.jpg", "stage_hash": "a" * 64},
            score=10.0 + entry,
            **({"attempts": retried, "attempt_count": 2} if entry == 3 else {}),
        )
        for entry in range(5)
    ]
    first.append(
        make_event(
            **{**good, **failed, "run_id": "run-1", "entry_id": "spring/5.jpg", "stage_hash": "a" * 64}
        )
    )
    second = []
    second.append(
        make_event(
            **{**good, "run_id": "run-2", "entry_id": "spring/4.jpg", "stage_hash": "b" * 64}, score=19.0
        )
    )
    second.append(
        make_event(
            **{**good, **failed, "run_id": "run-2", "entry_id": "spring/5.jpg", "stage_hash": "b" * 64}
        )
    )
    with Spool(home.spool) as spool:
        assert all(spool.append(event) for event in [*first, *second])

    for run, asked, recalled, stage_hash in (("run-1", 6, 0, "a"), ("run-2", 2, 4, "b")):
        open_manifest(home, _manifest(run, stage_hash))

        def count(manifest: RunManifest, asked: int = asked, recalled: int = recalled) -> None:
            manifest.stages["judge/critiques"] = StageSummary(
                entries=6, ok=5, failed={"http_5xx": 1}, asked=asked, recalled=recalled, seconds=3.5
            )

        update_manifest(home, run, count)
        close_manifest(home, run, "ok")
    open_manifest(home, _manifest("run-3", "b", pid=2**22 - 1, pid_started=1))

    answers = [*first[:4], *second]
    with StateDatabase.open(Settings(home=home.root)) as database:
        TableStore(home, database).publish(
            asset="judge/critiques",
            batch="spring",
            run_id="run-2",
            table=pa.table(
                {
                    "entry_id": [event.entry_id for event in answers],
                    "photo_id": [f"{number:064x}" for number in range(6)],
                    "answered_by": [event.event_id for event in answers],
                    "profile_id": [event.profile_id for event in answers],
                    "stage_hash": [event.stage_hash for event in answers],
                    "model": [event.model for event in answers],
                    "model_revision": ["r"] * 6,
                    "error_class": pa.array([event.error_class for event in answers], pa.string()),
                    "error_message": pa.array([event.error_message for event in answers], pa.string()),
                    "score": pa.array([event.score for event in answers], pa.float64()),
                }
            ),
            expected=None,
        )
        yield home, database


def _manifest(run_id: str, stage_hash: str, **values: Any) -> RunManifest:
    return RunManifest(
        run_id=run_id,
        pipeline="judge",
        batch="spring",
        git_sha="c" * 40,
        profiles={
            "judge/critiques": PinnedProfile(
                profile_id="club-judge",
                profile_stage="critique",
                profile_hash="p" * 64,
                stage_hash=stage_hash * 64,
            )
        },
        models={"judge/critiques": PinnedModel(model="qwen2.5-vl-7b", model_revision="r")},
        **values,
    )


@pytest.fixture
def document() -> Path:
    return Path(__file__).parents[2] / "docs" / "analysts.md"
