"""The kinds of telemetry records: events, decisions, GPU samples; and how each is called where.

Light on purpose, as is all that a process needs to append a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final
from zlib import crc32

from telemetry import decisions, events, gpu_samples
from telemetry.decisions import Decision
from telemetry.events import Event
from telemetry.gpu_samples import GpuSample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from store.home import Home
    from telemetry.columns import FieldFacts

Record = Event | Decision | GpuSample


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RecordKind:
    """One kind of record, and how it is called at each place.

    Attributes:
        word: Its name in a line of the spool and in messages.
        view: The view of the catalog that shows it.
        record: Its class.
        fields: Its fields.
        version: The schema version that this code knows.
        id_field: The field that names a record.
        time_field: The field by whose day records are filed.
        narrowed_by: Fields by which queries narrow down, beside the time.
        folder: Where its compacted records are.
        seed: What the checksum of its lines starts from.
        line_end: A line after its number, for the checksum and the record to be put in.
    """

    word: str
    view: str
    record: type[Record]
    fields: tuple[FieldFacts, ...]
    version: int
    id_field: str
    time_field: str
    narrowed_by: tuple[str, ...]
    folder: Callable[[Home], Path]
    seed: int
    line_end: bytes

    def id_of(self, record: Record) -> str:
        """What names a record."""
        return str(getattr(record, self.id_field))

    def time_of(self, record: Record) -> str:
        """When it was, ISO 8601 in UTC as it was read from a spool."""
        return str(getattr(record, self.time_field))


def seed_of(word: str) -> int:
    """What the checksum of a line starts from: its kind's name, for which it vouches too.

    Events start from nothing, since their lines are older than the other kinds.
    """
    return 0 if word == "event" else crc32(word.encode("ascii"))


EVENTS: Final = RecordKind(
    word="event",
    view="events",
    record=Event,
    fields=events.EVENT_FIELDS,
    version=events.SCHEMA_VERSION,
    id_field="event_id",
    time_field="enqueued_at",
    narrowed_by=("run_id", "stage"),
    folder=attrgetter("events"),
    seed=seed_of("event"),
    line_end=b',"crc":%d,"event":%b}\n',
)
DECISIONS: Final = RecordKind(
    word="decision",
    view="decisions",
    record=Decision,
    fields=decisions.DECISION_FIELDS,
    version=decisions.SCHEMA_VERSION,
    id_field="decision_id",
    time_field="decided_at",
    narrowed_by=("run_id", "model"),
    folder=attrgetter("decisions"),
    seed=seed_of("decision"),
    line_end=b',"crc":%d,"decision":%b}\n',
)
GPU_SAMPLES: Final = RecordKind(
    word="gpu_sample",
    view="gpu_samples",
    record=GpuSample,
    fields=gpu_samples.GPU_SAMPLE_FIELDS,
    version=gpu_samples.SCHEMA_VERSION,
    id_field="sample_id",
    time_field="sampled_at",
    narrowed_by=("run_id", "device"),
    folder=attrgetter("gpu_samples"),
    seed=seed_of("gpu_sample"),
    line_end=b',"crc":%d,"gpu_sample":%b}\n',
)
KINDS: Final = (EVENTS, DECISIONS, GPU_SAMPLES)
"""All kinds, in the order in which they are shown."""

KIND_OF: Final[Mapping[type, RecordKind]] = {kind.record: kind for kind in KINDS}
"""By class of record."""

KIND_NAMED: Final[Mapping[str, RecordKind]] = {kind.word: kind for kind in KINDS}
"""By name in a line of the spool."""
