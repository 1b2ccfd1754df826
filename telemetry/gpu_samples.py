"""The GPU sample: one telemetry row for what one device said of itself at one moment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from telemetry.columns import HOST, Column, fields_of

SCHEMA_VERSION: Final = 1
"""Version of the sample's fields; raised when one is added, renamed or removed."""


@dataclass(slots=True, kw_only=True)
class GpuSample:
    """One reading of one device: a card, a slice of one, or the host's memory. What it does not tell is empty."""

    sample_id: Annotated[str, Column("Id of this sample")]
    sampled_at: Annotated[str, Column("When it was taken, UTC", kind="time")]
    device: Annotated[str, Column("Device of `host`: `gpu-0`, a slice of it such as `gpu-0.1`, or `host`")]
    uuid: Annotated[str, Column("UUID of the card or slice; `host` for the host's memory")]
    kind: Annotated[
        Literal["whole", "mig", "host"], Column("A whole card, a MIG slice, or the host's own memory")
    ]
    memory_total_mib: Annotated[int | None, Column("All of its memory", "MiB")] = None
    memory_used_mib: Annotated[int | None, Column("What of it was not to be had", "MiB")] = None
    utilization: Annotated[
        float | None, Column("Share of the last moment in which something was computed, 0 to 1")
    ] = None
    memory_utilization: Annotated[
        float | None, Column("Share of the last moment in which memory was read or written, 0 to 1")
    ] = None
    power_w: Annotated[float | None, Column("Power drawn", "W")] = None
    temperature_c: Annotated[float | None, Column("Temperature", "°C")] = None
    processes: Annotated[int | None, Column("How many processes used it")] = None

    run_id: Annotated[str | None, Column("Run during which it was taken; joins `runs`")] = None

    host: Annotated[str, Column("Host of the device")] = HOST
    pid: Annotated[int, Column("Process id of the process that took it")] = field(default_factory=os.getpid)
    seq: Annotated[int | None, Column("Number of the record in its spool; the spool gives it")] = None
    schema_version: Annotated[int, Column("Version of the sample's fields")] = SCHEMA_VERSION


GPU_SAMPLE_FIELDS: Final = fields_of(GpuSample)
"""The fields of a sample, in order."""
