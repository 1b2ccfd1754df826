"""Forget photos: the one thing that rewrites what was published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select

from store.tables import (
    alike_photos,
    compared_photos,
    kept_answer_photos,
    kept_answers,
    measurements,
    metadata_writes,
    overrides,
    photo_identities,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection

    from store.artifacts import RemovedTable, TableStore, Unmention
    from store.database import StateDatabase

_IDS_A_STATEMENT = 500


@dataclass(frozen=True)
class Forgotten:
    """What was removed.

    Attributes:
        counts: Rows by table of the state database, and `table_rows` for rows of assets' tables.
        unreadable: Assets' tables that could not be read, and were removed.
        log_emptied: Whether no copy of the rows is left in the state database's log; see
            `StateDatabase.checkpoint`.
        unfinished: Uploads to a store of objects that may be under way, and were not looked at.
    """

    counts: Mapping[str, int]
    unreadable: tuple[RemovedTable, ...] = ()
    log_emptied: bool = True
    unfinished: int = 0

    @property
    def total(self) -> int:
        """All of it together."""
        return sum(self.counts.values())


def forget_photos(
    db: StateDatabase,
    tables: TableStore,
    photo_ids: Collection[str],
    *,
    kept_writes: Collection[str] = frozenset(),
    unmention: Unmention | None = None,
) -> Forgotten:
    """Remove all that is kept about these photos; doing it again removes nothing more.

    An answer about several photos goes when one of them does. A metadata write goes with its undo: the
    photo's file stays as it is.

    Args:
        db: The state database.
        tables: The assets' tables of the same home.
        photo_ids: Photos to forget.
        kept_writes: Ids of metadata writes that stay, with their undo.
        unmention: Takes what rows of other photos say of these out of the tables.

    Returns:
        What was removed.

    Raises:
        PublishFailed: A table could not be rewritten; doing it again goes on from there.
        ArtifactsUnreachable: The store of objects that holds them does not answer, or refuses; as above.
        DatabaseError: The state database could not be written; nothing in it was removed.
    """
    ids = sorted(set(photo_ids))
    # Tables first: a run that recalls an answer between the two steps conflicts with the rewritten table.
    from_tables = tables.forget(ids, unmention=unmention)

    def work(connection: Connection) -> dict[str, int]:
        counts = dict.fromkeys(
            (
                "kept_answers",
                "measurements",
                "photo_identities",
                "overrides",
                "metadata_writes",
                "compared_photos",
                "alike_photos",
            ),
            0,
        )
        for start in range(0, len(ids), _IDS_A_STATEMENT):
            some = ids[start : start + _IDS_A_STATEMENT]
            about = select(kept_answer_photos.c.request_digest).where(kept_answer_photos.c.photo_id.in_(some))
            counts["kept_answers"] += connection.execute(
                delete(kept_answers).where(kept_answers.c.request_digest.in_(about))
            ).rowcount
            for table in (measurements, photo_identities, overrides, compared_photos):
                counts[table.name] += connection.execute(
                    delete(table).where(table.c.photo_id.in_(some))
                ).rowcount
            either = or_(alike_photos.c.first.in_(some), alike_photos.c.second.in_(some))
            counts["alike_photos"] += connection.execute(delete(alike_photos).where(either)).rowcount
            counts["metadata_writes"] += _forget_writes(connection, some, kept_writes)
        return counts

    counts = db.write(work)
    log_emptied = db.checkpoint()
    return Forgotten(
        {"table_rows": from_tables.count, **counts},
        from_tables.unreadable,
        log_emptied,
        from_tables.unfinished,
    )


def _forget_writes(connection: Connection, photo_ids: Collection[str], kept: Collection[str]) -> int:
    write_id = metadata_writes.c.write_id
    into = select(write_id).where(metadata_writes.c.photo_id.in_(photo_ids))
    ids = sorted(set(connection.execute(into).scalars()).difference(kept))
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        some = ids[start : start + _IDS_A_STATEMENT]
        connection.execute(delete(metadata_writes).where(write_id.in_(some)))
    return len(ids)
