"""What is asked of the catalog about a run: each question once, for its chart, its CSV and whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import duckdb

from gateway.errors import NotFound
from telemetry.catalog import connect
from telemetry.errors import DamagedParquet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from store.database import StateDatabase
    from store.home import Home


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one run.

    Attributes:
        name: Names its CSV.
        title: What stands above its chart.
        means: What to read from it, in a sentence.
        sql: The question; `$run` is the run's id.
    """

    name: str
    title: str
    means: str
    sql: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A question's rows.

    Attributes:
        columns: Their names.
        rows: The rows.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each row by the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def column(self, name: str) -> list[Any]:
        """One column."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


STAGES: Final = Question(
    "stages",
    "Stages",
    "What each stage did. Recalled requests were answered from what was kept, and asked nobody.",
    """
SELECT stages.stage, entries, ok, failed, asked, recalled, round(seconds, 2) AS seconds,
       round(asked / nullif(seconds, 0), 1) AS asked_a_second, input_tokens, output_tokens,
       stages.model, stages.profile_id
FROM run_stages AS stages
WHERE run_id = $run
ORDER BY stage
""",
)
LATENCY: Final = Question(
    "latency",
    "How long a request takes",
    "Half of a stage's requests were done by p50, all but one in twenty by p95, all but one in a hundred by p99. "
    "The dot is p50, the thick line ends at p95 and the thin one at p99.",
    """
SELECT stage, deployment, count(*) AS requests, count(*) FILTER (status = 'error') AS errors,
       quantile_cont(total_ms, 0.50) AS p50_ms, quantile_cont(total_ms, 0.95) AS p95_ms,
       quantile_cont(total_ms, 0.99) AS p99_ms, max(total_ms) AS longest_ms
FROM events
WHERE run_id = $run
GROUP BY stage, deployment
ORDER BY min(enqueued_at)
""",
)
THROUGHPUT: Final = Question(
    "throughput",
    "Throughput",
    "Requests that ended in each moment, and those of them that failed.",
    """
WITH ended AS (
  SELECT enqueued_at + to_microseconds((total_ms * 1000)::BIGINT) AS ended_at, status FROM events WHERE run_id = $run
), span AS (
  SELECT min(ended_at) AS first, greatest(epoch(max(ended_at) - min(ended_at)) / 60, 0.01) AS step FROM ended
), moments AS (
  SELECT unnest(range(0, 61)) AS moment FROM span WHERE first IS NOT NULL
), counted AS (
  SELECT floor(epoch(ended_at - first) / step)::BIGINT AS moment,
         count(*) FILTER (status = 'ok') AS ok, count(*) FILTER (status = 'error') AS errors
  FROM ended, span GROUP BY 1
)
SELECT round(moment * step, 3) AS seconds, coalesce(ok, 0) / step AS ok_a_second,
       coalesce(errors, 0) / step AS errors_a_second
FROM moments LEFT JOIN counted USING (moment), span
ORDER BY seconds
""",
)
WAITS: Final = Question(
    "waits",
    "Where the time goes",
    "The mean of a request by stage: waiting for a lease, of that loading a model, and the model's server itself.",
    """
SELECT stage, count(*) AS requests, avg(lease_wait_ms) AS lease_wait_ms, max(lease_wait_ms) AS longest_wait_ms,
       avg(load_ms) AS load_ms, avg(queue_ms) AS queue_ms, avg(backend_ms) AS backend_ms, avg(total_ms) AS total_ms
FROM events
WHERE run_id = $run
GROUP BY stage
ORDER BY min(enqueued_at)
""",
)
BACKENDS: Final = Question(
    "backends",
    "Backends",
    "How many requests a server had at once on average, from the first to the last that it was asked.",
    """
SELECT model, deployment, provider, count(*) AS requests, count(*) FILTER (status = 'error') AS errors,
       sum(backend_ms) / 1000 AS busy_s,
       sum(backend_ms) / nullif(1000 * epoch(max(enqueued_at + to_microseconds((total_ms * 1000)::BIGINT))
         - min(enqueued_at)), 0) AS at_once,
       sum(output_tokens) / nullif(sum(backend_ms) / 1000, 0) AS tokens_a_second
FROM events
WHERE run_id = $run
GROUP BY model, deployment, provider
ORDER BY requests DESC
""",
)
DEVICES: Final = Question(
    "devices",
    "Devices",
    "Load and memory of each device while the run asked, from samples.",
    """
SELECT device, epoch(sampled_at - min(sampled_at) OVER ()) AS seconds, utilization,
       memory_used_mib / nullif(memory_total_mib, 0) AS memory
FROM gpu_samples
WHERE run_id = $run
ORDER BY device, sampled_at
LIMIT 20000
""",
)
ERRORS: Final = Question(
    "errors",
    "What failed",
    "Failures by stage and kind, with the words of one of them.",
    """
SELECT stage, model, deployment, error_class, count(*) AS failures, any_value(error_message) AS such_as
FROM events
WHERE run_id = $run AND status = 'error'
GROUP BY stage, model, deployment, error_class
ORDER BY failures DESC
""",
)
TIMELINE: Final = Question(
    "timeline",
    "Timeline",
    "Each line is a request, from when it was asked to when it was answered; what waited for a lease is pale. Marks "
    "are models that were loaded or unloaded.",
    """
WITH shown AS (
  SELECT 'request' AS kind, stage, model, enqueued_at AS begun_at, total_ms AS ms,
         coalesce(lease_wait_ms, 0) AS wait_ms, status, coalesce(error_class, '') AS detail
  FROM events WHERE run_id = $run ORDER BY total_ms DESC LIMIT 1500
)
FROM shown
UNION ALL
SELECT kind, coalesce(stage, ''), model, decided_at, coalesce(duration_ms, 0), 0, '', reason
FROM decisions
WHERE run_id = $run AND kind IN ('loaded', 'load_failed', 'unloaded', 'unload_failed', 'evict')
ORDER BY begun_at
""",
)
QUESTIONS: Final[Mapping[str, Question]] = {
    one.name: one for one in (STAGES, LATENCY, THROUGHPUT, WAITS, BACKENDS, DEVICES, ERRORS, TIMELINE)
}

_RUNS: Final = """
SELECT runs.run_id, pipeline, batch, status, started_at, ended_at, runs.seconds, host,
       sum(asked) AS asked, sum(recalled) AS recalled, max(failed) AS failed, sum(output_tokens) AS output_tokens,
       list(DISTINCT model) FILTER (model IS NOT NULL) AS models
FROM runs LEFT JOIN run_stages USING (run_id)
GROUP BY ALL
ORDER BY started_at DESC
LIMIT $most OFFSET $skipped
"""


class Asker:
    """Asks questions of one moment. Use as a context manager, in one thread."""

    def __init__(self, home: Home, database: StateDatabase) -> None:
        """Open the catalog.

        Raises:
            StoreError, TelemetryError: Telemetry cannot be read.
        """
        self._connection = connect(home, database, locked=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, question: Question, run_id: str) -> Answer:
        """A question's rows about a run.

        Raises:
            DamagedParquet: A file cannot be read.
        """
        return self._answer(question.sql, {"run": run_id})

    def runs(self, *, most: int, skipped: int) -> list[dict[str, Any]]:
        """Runs, the newest first.

        Raises:
            DamagedParquet: A file cannot be read.
        """
        return self._answer(_RUNS, {"most": most, "skipped": skipped}).records

    def run(self, run_id: str) -> dict[str, Any]:
        """One run.

        Raises:
            NotFound: There is no manifest of it.
            DamagedParquet: A file cannot be read.
        """
        found = self._answer("FROM runs WHERE run_id = $run", {"run": run_id}).records
        if not found:
            raise NotFound(f"There is no run {run_id[:80]!r}. The list of runs has those that there are.")
        return found[0]

    def _answer(self, sql: str, values: dict[str, Any]) -> Answer:
        try:
            asked = self._connection.execute(sql, values)
            columns = tuple(column[0] for column in asked.description or ())
            return Answer(columns, asked.fetchall())
        except duckdb.Error as error:
            raise DamagedParquet(
                f"Telemetry cannot be read: {error}. `python -m telemetry fsck` names the file."
            ) from error
