"""Summaries by stage, model and deployment: counts, failures, latencies, tokens, and what was recalled."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from telemetry.catalog import connect
from telemetry.manifest import LatencySummary

if TYPE_CHECKING:
    import duckdb

    from store.database import StateDatabase
    from store.home import Home

_QUERY: Final = """
WITH asked AS (
    SELECT stage, model, deployment,
        count(*) AS requests,
        count(*) FILTER (status = 'error') AS errors,
        count(*) FILTER (status = 'canceled') AS canceled,
        quantile_cont(total_ms, 0.5) FILTER (status = 'ok') AS p50_ms,
        quantile_cont(total_ms, 0.95) FILTER (status = 'ok') AS p95_ms,
        quantile_cont(total_ms, 0.99) FILTER (status = 'ok') AS p99_ms,
        coalesce(sum(input_tokens), 0)::BIGINT AS input_tokens,
        coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
        coalesce(sum(lease_wait_ms), 0)::DOUBLE AS lease_wait_ms,
        row_number() OVER (PARTITION BY stage, model ORDER BY count(*) DESC, deployment) AS place
    FROM events
    WHERE $run_id IS NULL OR run_id = $run_id
    GROUP BY stage, model, deployment
),
kept AS (
    SELECT stage, model, sum(recalled)::BIGINT AS recalled
    FROM run_stages
    WHERE model IS NOT NULL AND ($run_id IS NULL OR run_id = $run_id)
    GROUP BY stage, model
    HAVING sum(recalled) > 0
)
SELECT coalesce(asked.stage, kept.stage) AS stage, coalesce(asked.model, kept.model) AS model, deployment,
    coalesce(requests, 0), coalesce(errors, 0), coalesce(canceled, 0), coalesce(recalled, 0),
    p50_ms, p95_ms, p99_ms,
    coalesce(input_tokens, 0), coalesce(output_tokens, 0), coalesce(lease_wait_ms, 0)
FROM asked FULL JOIN kept ON asked.stage = kept.stage AND asked.model = kept.model AND asked.place = 1
ORDER BY 1, 2, 3 NULLS LAST
"""
_FAILURES: Final = """
SELECT stage, model, deployment, coalesce(error_class, 'unknown'), count(*)
FROM events
WHERE status = 'error' AND ($run_id IS NULL OR run_id = $run_id)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One stage at one deployment of one model.

    Attributes:
        stage: Asset key.
        model: Logical model.
        deployment: Deployment; None if nothing was asked, or the request never reached one.
        requests: Requests that were asked, canceled ones included.
        errors: Those that failed.
        canceled: Those that were canceled.
        recalled: Requests answered from what was kept. They belong to no deployment and are counted once, at
            the model's busiest.
        p50_ms: Median of `total_ms` of good requests, in ms; None without any.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        input_tokens: Input tokens.
        output_tokens: Output tokens.
        lease_wait_ms: All waits for leases together, in ms.
        failures: Errors by class.
    """

    stage: str
    model: str
    deployment: str | None
    requests: int
    errors: int
    canceled: int
    recalled: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    input_tokens: int
    output_tokens: int
    lease_wait_ms: float
    failures: dict[str, int] = field(default_factory=dict)


def summarize(connection: duckdb.DuckDBPyConnection, run_id: str | None = None) -> list[SummaryRow]:
    """The summary of one run, or of everything, by stage, model and deployment."""
    parameters = {"run_id": run_id}
    failures: dict[tuple[str, str, str | None], dict[str, int]] = {}
    for stage, model, deployment, error_class, count in connection.execute(_FAILURES, parameters).fetchall():
        failures.setdefault((stage, model, deployment), {})[error_class] = count
    names = [name for name in SummaryRow.__dataclass_fields__ if name != "failures"]
    rows = connection.execute(_QUERY, parameters).fetchall()
    return [
        SummaryRow(**dict(zip(names, row, strict=True)), failures=failures.get(row[:3], {})) for row in rows
    ]


def run_summary(home: Home, run_id: str, database: StateDatabase | None = None) -> list[LatencySummary]:
    """The summary of one run in the form that its manifest stores (`manifest.close_manifest`)."""
    with connect(home, database) as connection:
        return [LatencySummary.model_validate(asdict(row)) for row in summarize(connection, run_id)]
