"""The summary by stage, model and deployment."""

from __future__ import annotations

import pytest

from telemetry.catalog import connect
from telemetry.manifest import close_manifest, read_manifest
from telemetry.spool import Spool
from telemetry.summary import run_summary, summarize


def test_counts_latencies_and_failures_stand_by_deployment(home, make_event):
    with Spool(home.spool) as spool:
        for number in range(1, 101):
            spool.append(make_event(total_ms=float(number), input_tokens=10, output_tokens=2))
        spool.append(make_event(status="error", error_class="stalled", total_ms=9_000.0))
        spool.append(make_event(status="canceled", total_ms=9_000.0))
        spool.append(make_event(deployment="other", status="error", error_class="reset"))
    with connect(home) as connection:
        other, vllm = summarize(connection)
    assert (vllm.requests, vllm.errors, vllm.canceled) == (102, 1, 1)
    assert vllm.failures == {"stalled": 1}
    assert (vllm.p50_ms, vllm.p95_ms, vllm.p99_ms) == pytest.approx((50.5, 95.05, 99.01))
    assert (vllm.input_tokens, vllm.output_tokens) == (1000, 200)
    assert (other.deployment, other.p50_ms, other.failures) == ("other", None, {"reset": 1})


def test_what_was_recalled_is_counted_once(made_home):
    home, database = made_home
    with connect(home, database) as connection:
        (row,) = summarize(connection)
        (first,) = summarize(connection, "run-1")
        (second,) = summarize(connection, "run-2")
    assert (row.requests, row.recalled) == (8, 4)
    assert (first.requests, first.recalled) == (6, 0)
    assert (second.requests, second.recalled) == (2, 4)


def test_a_run_that_only_recalled_has_a_row(made_home):
    home, database = made_home
    for path in home.spool.iterdir():
        path.unlink()
    with connect(home, database) as connection:
        (row,) = summarize(connection, "run-2")
    assert (row.stage, row.model, row.deployment) == ("judge/critiques", "qwen2.5-vl-7b", None)
    assert (row.requests, row.recalled, row.p50_ms) == (0, 4, None)


def test_a_run_is_closed_with_its_summary(made_home):
    home, database = made_home
    close_manifest(home, "run-1", "ok", summary=run_summary(home, "run-1", database))
    (row,) = read_manifest(home, "run-1").summary
    assert (row.stage, row.deployment, row.requests, row.errors) == ("judge/critiques", "vllm", 6, 1)
    assert row.failures == {"http_5xx": 1}
    assert row.p50_ms == pytest.approx(102.0)
