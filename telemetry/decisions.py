"""The decision: one telemetry row for each thing that was decided about a device, with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from telemetry.columns import HOST, TEXT_LIMIT, Column, fields_of

SCHEMA_VERSION: Final = 1
"""Version of the decision's fields; raised when one is added, renamed or removed."""


DecisionKind = Literal[
    "grant",
    "load",
    "evict",
    "wait",
    "would_block",
    "expire",
    "take_over",
    "loaded",
    "load_failed",
    "unloaded",
    "unload_failed",
    "revoked",
    "revoke_failed",
]


@dataclass(slots=True, kw_only=True)
class Decision:
    """One decision about who may use a device: what was decided, for whom, and why."""

    decision_id: Annotated[str, Column("Id of this decision")]
    decided_at: Annotated[str, Column("When it was decided, UTC", kind="time")]
    mode: Annotated[
        Literal["enforce", "observe"], Column("Whether the decision was carried out, or only written down")
    ]
    kind: Annotated[
        DecisionKind,
        Column("What was decided"),
    ]
    model: Annotated[str, Column("Logical model of the registry")]
    reason: Annotated[str, Column(f"Why, in words, at most {TEXT_LIMIT} characters", limit=TEXT_LIMIT)]
    holder: Annotated[str, Column("Process that asked, as host:pid")]

    deployment: Annotated[str | None, Column("Deployment of the model, empty if none was found")] = None
    priority: Annotated[
        str | None, Column("Priority of the waiter: `interactive` or `batch`; empty if nobody waited")
    ] = None
    waited_ms: Annotated[float | None, Column("How long the waiter had waited by then", "ms")] = None
    device: Annotated[str | None, Column("Device that it is about, empty if none was found")] = None
    waiter: Annotated[str | None, Column("Id of who waited, empty if nobody did")] = None
    token: Annotated[int | None, Column("Fencing token of the lease, empty if there is no lease")] = None
    duration_ms: Annotated[float | None, Column("How long loading or unloading took", "ms")] = None

    run_id: Annotated[str | None, Column("Run that asked; joins `runs`")] = None
    batch: Annotated[str | None, Column("Batch that was worked on")] = None
    stage: Annotated[str | None, Column("Asset key of the stage that asked")] = None

    host: Annotated[str, Column("Host of the process that decided")] = HOST
    pid: Annotated[int, Column("Process id of the process that decided")] = field(default_factory=os.getpid)
    seq: Annotated[int | None, Column("Number of the record in its spool; the spool gives it")] = None
    schema_version: Annotated[int, Column("Version of the decision's fields")] = SCHEMA_VERSION


DECISION_FIELDS: Final = fields_of(Decision)
"""The fields of a decision, in order."""
