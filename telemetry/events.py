"""The event: one telemetry row for each asking of a request, with its attempts inside.

Light on purpose: the client makes one ``Event`` for every request, so this module imports the standard
library alone. The Arrow schema made from the same class is in ``telemetry.arrow``, the data dictionary in
``telemetry.dictionary``.
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from numbers import Real
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from telemetry.errors import EventFormatError, NewerEvent

SCHEMA_VERSION: Final = 1
"""Version of the event's fields; raised when one is added, renamed or removed."""

MESSAGE_LIMIT: Final = 500
"""Characters that are kept of each text that a backend writes as it likes."""

Kind = Literal["text", "integer", "number", "boolean", "time", "texts", "attempts"]

_KINDS: Final[dict[object, Kind]] = {str: "text", int: "integer", float: "number", bool: "boolean"}
_HOST: Final = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Column:
    """What a field means, carried in its annotation.

    Attributes:
        description: One sentence for the data dictionary.
        unit: Unit of the value, empty where it has none.
        kind: Set where the Python type does not tell (a time is text in Python and a timestamp in Arrow).
    """

    description: str
    unit: str = ""
    kind: Kind | None = None


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
        str | None, Column(f"Model id that the backend says it served, at most {MESSAGE_LIMIT} characters")
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

    attempts: Annotated[tuple[Attempt, ...], Column("All attempts, in order")] = ()
    attempt_count: Annotated[int, Column("How many attempts there were")] = 0
    input_tokens: Annotated[int | None, Column("Input tokens of the last attempt", "tokens")] = None
    image_tokens: Annotated[int | None, Column("Those of `input_tokens` that pictures cost", "tokens")] = None
    output_tokens: Annotated[int | None, Column("Output tokens of the last attempt", "tokens")] = None
    bytes_out: Annotated[int | None, Column("Bytes sent to the backend, all attempts", "bytes")] = None
    bytes_in: Annotated[int | None, Column("Bytes received from the backend, all attempts", "bytes")] = None
    dropped_parameters: Annotated[tuple[str, ...], Column("Parameters that the provider does not take")] = ()

    finish_reason: Annotated[
        str | None,
        Column(f"Why the model stopped, in the backend's word, at most {MESSAGE_LIMIT} characters"),
    ] = None
    error_class: Annotated[str | None, Column("Class of the failure, empty if `status` is `ok`")] = None
    error_message: Annotated[str | None, Column(f"What failed, at most {MESSAGE_LIMIT} characters")] = None
    schema_valid: Annotated[bool | None, Column("Whether the answer fits its schema")] = None
    repaired: Annotated[bool, Column("Whether the repair try was needed")] = False
    score: Annotated[float | None, Column("Score that the answer carries, if it carries one")] = None
    answer_kept: Annotated[bool, Column("Whether the raw answer was meant to be kept for recall")] = False

    host: Annotated[str, Column("Host of the process that asked")] = _HOST
    pid: Annotated[int, Column("Process id of the process that asked")] = field(default_factory=os.getpid)
    seq: Annotated[int | None, Column("Number of the event in its spool; the spool gives it")] = None
    schema_version: Annotated[int, Column("Version of the event's fields")] = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """One field of ``Event`` or ``Attempt``, as the schema, the checks and the dictionary see it.

    Attributes:
        name: Column name.
        kind: Kind of value.
        nullable: Whether the field may be empty.
        required: Whether it has no default.
        values: The allowed values, empty where any will do.
        column: Description and unit.
    """

    name: str
    kind: Kind
    nullable: bool
    required: bool
    values: tuple[str, ...]
    column: Column


def utc_now() -> str:
    """The wall clock as ISO 8601 in UTC with microseconds, as ``enqueued_at`` has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def to_json(event: Event) -> bytes:
    """The event as one line of ASCII JSON, without a newline and without empty fields.

    Never raises for a value of the wrong type: what JSON cannot hold is replaced (a NaN by nothing, another
    object by its text), so that a strange value cannot cost an event. What a backend says is cut, so that it
    cannot make a line that is too long for a reader.
    """
    values = {
        name: value
        for name, value in zip(_NAMES, _VALUES(event), strict=False)
        if value is not None and value != ()
    }
    for name in _UNBOUNDED:
        if name in values:
            values[name] = _shortened(str(values[name]))
    if event.attempts:
        values["attempts"] = [
            dict(zip(_ATTEMPT_NAMES, _ATTEMPT_VALUES(item), strict=False)) for item in event.attempts
        ]
    try:
        return _ENCODE(values).encode()
    except (TypeError, ValueError):
        return _ENCODE(_plain(values)).encode()


def from_json(line: bytes | str, *, seq: int | None = None) -> Event:
    """The event that ``to_json`` wrote.

    Args:
        line: JSON of one event.
        seq: Number of the event in its spool, which stands beside the event there.

    Raises:
        NewerEvent: The event has a higher ``schema_version`` than this code.
        EventFormatError: It is not JSON, a field is missing, unknown, or of the wrong type.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EventFormatError(f"An event is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise EventFormatError(f"An event is a JSON object, not {type(values).__name__}.")
    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerEvent(
            f"An event has schema version {version}; this code knows {SCHEMA_VERSION}. Update the software."
        )
    if seq is not None:
        values["seq"] = seq
    return Event(**_checked("event", EVENT_FIELDS, values))


def _fields_of(owner: type) -> tuple[FieldFacts, ...]:
    hints = get_type_hints(owner, include_extras=True)
    return tuple(
        _facts(
            item.name,
            hints[item.name],
            required=item.default is MISSING and item.default_factory is MISSING,
        )
        for item in fields(owner)
    )


def _facts(name: str, hint: object, *, required: bool) -> FieldFacts:
    inner, column = get_args(hint)
    options = [option for option in get_args(inner) if option is not type(None)]
    nullable = type(None) in get_args(inner)
    values: tuple[str, ...] = ()
    kind: Kind
    if column.kind is not None:
        kind = column.kind
    elif get_origin(inner) is tuple:
        kind = "attempts" if options[0] is Attempt else "texts"
    elif get_origin(inner) is Literal:
        kind, values = "text", tuple(options)
    else:
        kind = _KINDS[options[0] if nullable else inner]
    return FieldFacts(name, kind, nullable, required, values, column)


def _checked(owner: str, facts: tuple[FieldFacts, ...], values: dict[str, Any]) -> dict[str, Any]:
    checked = {}
    for fact in facts:
        if fact.name in values:
            checked[fact.name] = _value(owner, fact, values[fact.name])
        elif fact.required:
            raise EventFormatError(f"The {owner}'s field {fact.name!r} is missing.")
    if unknown := values.keys() - {fact.name for fact in facts}:
        raise EventFormatError(f"The {owner} has unknown fields: {', '.join(sorted(unknown))}.")
    return checked


def _value(owner: str, fact: FieldFacts, value: Any) -> Any:
    if value is None and fact.nullable:
        return None
    try:
        value = _READERS[fact.kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise EventFormatError(
            f"The {owner}'s field {fact.name!r} should be of kind {fact.kind}: {error}."
        ) from error
    if fact.values and value not in fact.values:
        raise EventFormatError(
            f"The {owner}'s field {fact.name!r} is {value!r}; it is one of {', '.join(fact.values)}."
        )
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    # JSON can name a lone surrogate by its escape, which no UTF-8 column can hold.
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _time(value: Any) -> str:
    moment = datetime.fromisoformat(_text(value))
    if moment.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return tuple(_text(item) for item in value)


def _attempts(value: Any) -> tuple[Attempt, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("it is not a list of attempts")
    return tuple(Attempt(**_checked("attempt", ATTEMPT_FIELDS, item)) for item in value)


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _plain(str(value))


_READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "time": _time,
    "texts": _texts,
    "attempts": _attempts,
}
EVENT_FIELDS: Final = _fields_of(Event)
"""The fields of an event, in order."""

ATTEMPT_FIELDS: Final = _fields_of(Attempt)
"""The fields of an attempt, in order."""

_UNBOUNDED: Final = ("served_model", "finish_reason", "error_message")
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode
_NAMES: Final = tuple(item.name for item in fields(Event))
_VALUES: Final = attrgetter(*_NAMES)
_ATTEMPT_NAMES: Final = tuple(item.name for item in fields(Attempt))
_ATTEMPT_VALUES: Final = attrgetter(*_ATTEMPT_NAMES)
_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
