"""The event: one telemetry row for each asking of a request, with its attempts inside.

Light on purpose: the client makes one ``Event`` for every request, so this module imports the standard library
alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from telemetry.columns import HOST, TEXT_LIMIT, Column, fields_of

SCHEMA_VERSION: Final = 1
"""Version of the event's fields; raised when one is added, renamed or removed."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try of a request at a backend."""

    number: Annotated[int, Column("Which attempt of its request this is, from 1")]
    started_ms: Annotated[float, Column("Time from `enqueued_at` to the start of the attempt", "ms")]
    duration_ms: Annotated[float, Column("How long the attempt took", "ms")]
    status: Annotated[Literal["ok", "error", "canceled"], Column("How the attempt ended")]
    http_status: Annotated[int | None, Column("HTTP status, empty if no response came")] = None
    error_class: Annotated[str | None, Column("Class of the failure, empty if the attempt was good")] = None
    input_tokens: Annotated[int | None, Column("Input tokens that the backend counted", "tokens")] = None
    output_tokens: Annotated[int | None, Column("Output tokens that the backend counted", "tokens")] = None


# Not frozen: a frozen dataclass of this many fields costs 4 µs more to make, half of what an event may cost.
@dataclass(slots=True, kw_only=True)
class Event:
    """One asking of one request: what was asked, of whom, how long it took, how it ended.

    Durations are of one process's monotonic clock; only ``enqueued_at`` is wall time.
    """

    event_id: Annotated[str, Column("Id of this asking; rows name it in `answered_by`")]
    request_digest: Annotated[str, Column("SHA-256 that names the request by its content")]
    stage: Annotated[str, Column("Asset key of the stage that asked, such as `judge/critiques`")]
    model: Annotated[str, Column("Logical model of the registry")]
    enqueued_at: Annotated[str, Column("When the request entered the client, UTC", kind="time")]
    total_ms: Annotated[float, Column("From `enqueued_at` to the answer or the failure", "ms")]
    status: Annotated[Literal["ok", "error", "canceled"], Column("How the request ended")]

    trace_id: Annotated[
        str | None, Column("W3C trace id, 32 hex digits; that of a run is its id without dashes")
    ] = None
    run_id: Annotated[str | None, Column("Run that asked; joins `runs`")] = None
    batch: Annotated[str | None, Column("Batch that the entry belongs to")] = None
    entry_id: Annotated[str | None, Column("Entry that the request is about")] = None
    photo_ids: Annotated[tuple[str, ...], Column("Photos shown to the model, in order")] = ()

    profile_id: Annotated[str | None, Column("Prompt profile")] = None
    profile_stage: Annotated[str | None, Column("Profile stage of the prompt, such as `critique`")] = None
    profile_hash: Annotated[str | None, Column("SHA-256 of the whole effective profile")] = None
    stage_hash: Annotated[str | None, Column("SHA-256 of the effective profile stage")] = None
    prompt_hub_version: Annotated[str | None, Column("Digest of all effective profiles")] = None
    registry_version: Annotated[str | None, Column("Digest of the effective model registry")] = None
    model_revision: Annotated[str | None, Column("Digest of what in the model influences an answer")] = None
    served_model: Annotated[
        str | None,
        Column(
            f"Model id that the backend says it served, at most {TEXT_LIMIT} characters", limit=TEXT_LIMIT
        ),
    ] = None
    deployment: Annotated[str | None, Column("Deployment that was asked")] = None
    provider: Annotated[str | None, Column("Protocol of the deployment, such as `vllm` or `embedded`")] = None
    sample: Annotated[int, Column("0, 1, 2 … when the same question is asked several times on purpose")] = 0
    priority: Annotated[str, Column("`interactive` or `batch`")] = "batch"

    lease_wait_ms: Annotated[float | None, Column("Wait for the right to use the model", "ms")] = None
    load_ms: Annotated[float | None, Column("Loading the model, inside the lease wait", "ms")] = None
    ttft_ms: Annotated[float | None, Column("Time to the first token", "ms")] = None
    ttft_origin: Annotated[
        str | None,
        Column("Where `ttft_ms` starts, on the backend's clock: `scheduled` (vLLM), `load_begun` (Ollama)"),
    ] = None
    queue_ms: Annotated[float | None, Column("Wait in the backend's queue, as the backend says", "ms")] = None
    backend_ms: Annotated[
        float | None, Column("The last attempt, from sending to the end of the response", "ms")
    ] = None

    attempts: Annotated[tuple[Attempt, ...], Column("All attempts, in order", kind="rows")] = ()
    attempt_count: Annotated[int, Column("How many attempts there were")] = 0
    input_tokens: Annotated[int | None, Column("Input tokens of the last attempt", "tokens")] = None
    image_tokens: Annotated[int | None, Column("Those of `input_tokens` that pictures cost", "tokens")] = None
    output_tokens: Annotated[int | None, Column("Output tokens of the last attempt", "tokens")] = None
    bytes_out: Annotated[int | None, Column("Bytes sent to the backend, all attempts", "bytes")] = None
    bytes_in: Annotated[int | None, Column("Bytes received from the backend, all attempts", "bytes")] = None
    dropped_parameters: Annotated[tuple[str, ...], Column("Parameters that the provider does not take")] = ()

    finish_reason: Annotated[
        str | None,
        Column(
            f"Why the model stopped, in the backend's word, at most {TEXT_LIMIT} characters", limit=TEXT_LIMIT
        ),
    ] = None
    error_class: Annotated[str | None, Column("Class of the failure, empty if `status` is `ok`")] = None
    error_message: Annotated[
        str | None, Column(f"What failed, at most {TEXT_LIMIT} characters", limit=TEXT_LIMIT)
    ] = None
    schema_valid: Annotated[bool | None, Column("Whether the answer fits its schema")] = None
    repaired: Annotated[bool, Column("Whether the repair try was needed")] = False
    score: Annotated[float | None, Column("Score that the answer carries, if it carries one")] = None
    answer_kept: Annotated[bool, Column("Whether the raw answer was meant to be kept for recall")] = False

    host: Annotated[str, Column("Host of the process that asked")] = HOST
    pid: Annotated[int, Column("Process id of the process that asked")] = field(default_factory=os.getpid)
    seq: Annotated[int | None, Column("Number of the event in its spool; the spool gives it")] = None
    schema_version: Annotated[int, Column("Version of the event's fields")] = SCHEMA_VERSION


def utc_now() -> str:
    """The wall clock as ISO 8601 in UTC with microseconds, as ``enqueued_at`` has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


EVENT_FIELDS: Final = fields_of(Event)
"""The fields of an event, in order."""

ATTEMPT_FIELDS: Final = fields_of(Attempt)
"""The fields of an attempt, in order."""
