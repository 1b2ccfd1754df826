"""What was changed through the gateway: who did what to what, and when. Only ever added to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from store.tables import gateway_audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.database import StateDatabase


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        who: Who made it.
        action: What was done, such as ``prompt.label``.
        subject: To what.
        detail: The particulars, without secrets and without prompts' texts.
        request_id: Of the request that did it.
        changed_at: When.
    """

    who: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    request_id: str
    changed_at: datetime


class Audit:
    """The log of changes, in the state database."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def record(self, who: str, action: str, subject: str, *, request_id: str, **detail: Any) -> None:
        """Add a change that was made."""
        values = {
            "who": who,
            "action": action,
            "subject": subject,
            "detail": detail,
            "request_id": request_id,
            "changed_at": datetime.now(UTC),
        }
        self._database.write(lambda connection: connection.execute(insert(gateway_audit).values(values)))

    def last(self, count: int = 200) -> list[Change]:
        """The last changes, the newest first."""
        newest = select(gateway_audit).order_by(gateway_audit.c.change_id.desc()).limit(count)
        with self._database.read() as connection:
            return [
                Change(row.who, row.action, row.subject, row.detail, row.request_id, row.changed_at)
                for row in connection.execute(newest)
            ]
