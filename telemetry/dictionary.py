"""The data dictionary of the catalog's views, made from the schema itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from telemetry.catalog import RUN_STAGES, RUNS
from telemetry.events import ATTEMPT_FIELDS
from telemetry.manifest import PinnedModel, PinnedProfile, RunManifest, StageSummary
from telemetry.record_kinds import DECISIONS, EVENTS, GPU_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from pydantic import BaseModel

    from telemetry.columns import FieldFacts, Kind
    from telemetry.record_kinds import RecordKind

BEGIN: Final = "<!-- dictionary: made by `python -m telemetry dictionary`, not by hand -->"
END: Final = "<!-- end of dictionary -->"

_EVENTS: Final = (
    "One row for each asking of a request. Requests that were recalled make none; their rows name the event "
    "that answered them in `answered_by`."
)
_ATTEMPTS: Final = (
    "One row for each try, from `events.attempts`, with `event_id`, `run_id`, `batch`, `entry_id`, `stage`, "
    "`model`, `deployment`, `provider` and `enqueued_at` of its event."
)
_DECISIONS: Final = (
    "One row for each decision about a device: who got it, who waits for it, what was loaded and what had to go, each "
    "with its reason."
)
_GPU_SAMPLES: Final = (
    "One row for each device and moment, taken while a stage asks model servers; `IMAGEWORKS_GPU_SAMPLE_S` says how "
    "often. Runs that go on at the same time have their own."
)
_TYPES: Final[dict[Kind, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP",
    "texts": "VARCHAR[]",
    "rows": "STRUCT[]",
}
_OWN_WORDS: Final = {
    "seconds": "Wall time; empty while the run is open.",
    "manifest": "The whole manifest as JSON; ask it with DuckDB's `->>`.",
    "started_at": "When the run began, UTC.",
    "ended_at": "When it ended, UTC; of a crash, when it was seen.",
    "run_id": "Id of the run.",
    "stage": "Stage (asset key).",
    "failed": "Rows with an error class.",
    "status": "`open`, `ok`, `failed`, `canceled`; `crashed` if its process ended without closing it.",
}
_ARROW_TYPES: Final = {
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "timestamp[us]": "TIMESTAMP",
}
_UNITS: Final = {"seconds": "s", "input_tokens": "tokens", "output_tokens": "tokens", "lease_wait_ms": "ms"}


def dictionary_markdown() -> str:
    """The dictionary as Markdown: one table a view."""
    return "\n\n".join(
        [
            BEGIN,
            "### `events`",
            _EVENTS,
            _record_table(EVENTS),
            "### `attempts`",
            _ATTEMPTS,
            _table(_field_rows(ATTEMPT_FIELDS)),
            "### `decisions`",
            _DECISIONS,
            _record_table(DECISIONS),
            "### `gpu_samples`",
            _GPU_SAMPLES,
            _record_table(GPU_SAMPLES),
            "### `runs`",
            "One row for each run manifest.",
            _table(_view_rows(RUNS, [RunManifest])),
            "### `run_stages`",
            "One row for each stage of a run: what it did, and the prompt and model that were pinned for it.",
            _table(_view_rows(RUN_STAGES, [StageSummary, PinnedProfile, PinnedModel, RunManifest])),
            "### `catalog_problems`",
            "What could not be shown, if anything: `path` and `problem`.",
            END,
        ]
    )


def with_dictionary(document: str) -> str:
    """A document with the dictionary between its marks made anew.

    Raises:
        ValueError: The document has no such marks.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document has no place for the dictionary, between {BEGIN!r} and {END!r}.")
    return before + dictionary_markdown() + after


def _record_table(kind: RecordKind) -> str:
    return _table(_field_rows(kind.fields)) + f"\n| `date` | DATE | | Day of `{kind.time_field}`, UTC |"


def _field_rows(fields: Iterable[FieldFacts]) -> list[tuple[str, str, str, str]]:
    return [(facts.name, _TYPES[facts.kind], facts.column.unit, _sentence(facts)) for facts in fields]


def _sentence(facts: FieldFacts) -> str:
    values = " or ".join(f"`{value}`" for value in facts.values)
    return f"{facts.column.description}: {values}" if values else facts.column.description


def _view_rows(schema: pa.Schema, owners: list[type[BaseModel]]) -> list[tuple[str, str, str, str]]:
    words = {
        name: info.description
        for owner in reversed(owners)
        for name, info in owner.model_fields.items()
        if info.description is not None
    }
    return [
        (
            column.name,
            _ARROW_TYPES[str(column.type)],
            _UNITS.get(column.name, ""),
            _OWN_WORDS.get(column.name) or words[column.name],
        )
        for column in schema
    ]


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines.extend(f"| `{name}` | {kind} | {unit} | {meaning} |" for name, kind, unit, meaning in rows)
    return "\n".join(lines)
