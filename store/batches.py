"""Batches: a folder of photos, with the profiles and models that are pinned for it."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select, update

from store.errors import BadBatchName, BatchNameTaken, UnknownBatch
from store.path_text import path_text, text_path
from store.tables import batches as table
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

    from store.database import StateDatabase

Pipeline = Literal["judge", "tagger"]

# Dagster refuses partition keys with "..."; folders and URLs are happiest with this alphabet anyway.
_NAME = re.compile(r"[a-z0-9_-]{1,80}")
_LONGEST_SLUG = 64


@dataclass(frozen=True)
class Batch:
    """A registered batch.

    Attributes:
        pipeline: `judge` or `tagger`.
        name: Safe slug, unique in its pipeline; Dagster's partition key.
        folder: Where its photos are, absolute.
        rules: The competition's TOML, absolute, or None for the default rules.
        pins: `{stage: {"profile": ..., "model": ...}}`, stages by asset key such as `judge/critiques`.
        state: `open`, or `published` once its results are announced.
        registered_at: When it was registered.
        published_at: When it was published, or None.
        published_by: Who published it, or None.
        below: Whether the photos in folders below its own belong to it.
        listed: Which run last listed the folder, and the digest of what it found; None before the first.
    """

    pipeline: Pipeline
    name: str
    folder: Path
    rules: Path | None
    pins: Mapping[str, Mapping[str, Any]]
    state: Literal["open", "published"]
    registered_at: datetime
    published_at: datetime | None
    published_by: str | None
    below: bool = True
    listed: tuple[str, str] | None = None

    @property
    def has_folder(self) -> bool:
        """Whether its folder is where it was, and can be reached."""
        return os.path.isdir(self.folder)  # noqa: PTH112 - `Path.is_dir` raises where the way there is closed


def register(
    db: StateDatabase,
    *,
    pipeline: Pipeline,
    name: str,
    folder: Path,
    rules: Path | None = None,
    below: bool | None = None,
) -> Batch:
    """Make a batch known. Doing it again for the same folder changes nothing but what is given.

    Args:
        db: The state database.
        pipeline: `judge` or `tagger`.
        name: A slug such as `batch_name` or `name_for` makes.
        folder: Of the photos; kept absolute, symbolic links resolved.
        rules: The competition's TOML, or None to keep what is known.
        below: Whether folders below belong to it, or None to keep what is known; they do at first.

    Returns:
        The batch as it is now.

    Raises:
        BadBatchName: `name` is no slug.
        BatchNameTaken: Another folder has this name.
    """
    if _NAME.fullmatch(name) is None:
        raise BadBatchName(
            f"{name!r} cannot name a batch: use 1 to 80 of a-z, 0-9, _ and -, "
            f"such as {batch_name(Path(name))!r}."
        )
    place = path_text(folder.resolve())
    law = path_text(rules.resolve()) if rules is not None else None

    def work(connection: Connection) -> Batch:
        row: dict[str, object] = {
            "pipeline": pipeline,
            "name": name,
            "folder": place,
            "rules": law,
            "pins": {},
            "state": "open",
            "registered_at": datetime.now(UTC),
            "below": below is not False,
        }
        insert_new(connection, table, [row])
        found = _one(connection, pipeline, name)
        if path_text(found.folder) != place:
            raise BatchNameTaken(
                f"The name {name!r} belongs to the {pipeline} batch of {path_text(found.folder)}, "
                f"so {place} cannot have it. Choose another name."
            )
        if law is not None and (found.rules is None or path_text(found.rules) != law):
            connection.execute(update(table).where(*_is(pipeline, name)).values(rules=law))
            found = _one(connection, pipeline, name)
        if below is not None and found.below != below:
            connection.execute(update(table).where(*_is(pipeline, name)).values(below=below))
            found = _one(connection, pipeline, name)
        return found

    return db.write(work)


def note_listed(db: StateDatabase, pipeline: Pipeline, name: str, *, run_id: str, digest: str) -> None:
    """Remember what a run found in a batch's folder."""
    statement = update(table).where(*_is(pipeline, name)).values(listed=f"{run_id} {digest}")
    db.write(lambda connection: connection.execute(statement))


def batch(db: StateDatabase, pipeline: Pipeline, name: str) -> Batch:
    """The batch of that name.

    Raises:
        UnknownBatch: Nobody registered it; the message has the nearest names.
    """
    with db.read() as connection:
        return _one(connection, pipeline, name)


def batches(db: StateDatabase, pipeline: Pipeline | None = None) -> tuple[Batch, ...]:
    """All batches, or those of one pipeline, by pipeline and name."""
    with db.read() as connection:
        return tuple(one for one in batches_in(connection) if pipeline in (None, one.pipeline))


def batches_in(connection: Connection) -> tuple[Batch, ...]:
    """All batches that a connection to a state database sees, by pipeline and name."""
    query = select(table).order_by(table.c.pipeline, table.c.name)
    return tuple(_batch(row) for row in connection.execute(query))


def pin(db: StateDatabase, pipeline: Pipeline, name: str, stage: str, **values: Any) -> Batch:
    """Fix what a stage uses from its next run on, such as `profile="club-judge", model="judge"`.

    Args:
        db: The state database.
        pipeline: `judge` or `tagger`.
        name: The batch.
        stage: Asset key of the stage, such as `judge/critiques`.
        **values: Put over what was pinned; None removes a pin.

    Returns:
        The batch as it is now.

    Raises:
        UnknownBatch: Nobody registered it.
    """

    def work(connection: Connection) -> Batch:
        found = _one(connection, pipeline, name, lock=True)
        pins = {key: dict(value) for key, value in found.pins.items()}
        merged = {key: value for key, value in (pins.pop(stage, {}) | values).items() if value is not None}
        if merged:
            pins[stage] = merged
        connection.execute(update(table).where(*_is(pipeline, name)).values(pins=pins))
        return _one(connection, pipeline, name)

    return db.write(work)


def without_rules(db: StateDatabase, pipeline: Pipeline, name: str) -> Batch:
    """Judge a batch by the default rules from its next run on.

    Returns:
        The batch as it is now.

    Raises:
        UnknownBatch: Nobody registered it.
    """

    def work(connection: Connection) -> Batch:
        connection.execute(update(table).where(*_is(pipeline, name)).values(rules=None))
        return _one(connection, pipeline, name)

    return db.write(work)


def publish(db: StateDatabase, pipeline: Pipeline, name: str, by: str) -> Batch:
    """Announce a batch: from now on it never runs by itself. Doing it again keeps the first date and name.

    Raises:
        UnknownBatch: Nobody registered it.
    """

    def work(connection: Connection) -> Batch:
        connection.execute(
            update(table)
            .where(*_is(pipeline, name), table.c.state == "open")
            .values(state="published", published_at=datetime.now(UTC), published_by=by)
        )
        return _one(connection, pipeline, name)

    return db.write(work)


def batch_name(folder: Path) -> str:
    """A safe slug from a folder's name: `Äpril 2026 (Club)` → `april-2026-club`.

    A name without a Latin letter or digit gives `batch-` and eight digits of the path's digest.
    """
    path = folder.expanduser().absolute()
    name = path.name or path.resolve().name
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")[:_LONGEST_SLUG].strip("-_")
    return slug or f"batch-{_short_digest(path, 8)}"


def name_for(db: StateDatabase, pipeline: Pipeline, folder: Path) -> str:
    """The name that `folder` has, or that it should be registered under.

    A folder that is registered keeps its name. Otherwise it is `batch_name`, with a short digest of the
    path behind it when another folder has that one.
    """
    place = path_text(folder.resolve())
    slug = batch_name(folder)
    with db.read() as connection:
        query = select(table.c.name, table.c.folder).where(table.c.pipeline == pipeline)
        rows = connection.execute(query.order_by(table.c.registered_at, table.c.name)).all()
    own = [row.name for row in rows if row.folder == place]
    if own:
        return slug if slug in own else str(own[0])
    if any(row.name == slug for row in rows):
        return f"{slug}-{_short_digest(folder.resolve(), 6)}"
    return slug


def _short_digest(path: Path, digits: int) -> str:
    return hashlib.sha256(path_text(path).encode()).hexdigest()[:digits]


def _is(pipeline: str, name: str) -> tuple[Any, ...]:
    return (table.c.pipeline == pipeline, table.c.name == name)


def _one(connection: Connection, pipeline: Pipeline, name: str, *, lock: bool = False) -> Batch:
    query = select(table).where(*_is(pipeline, name))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is not None:
        return _batch(row)
    known = list(connection.execute(select(table.c.name).where(table.c.pipeline == pipeline)).scalars())
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = (
        f"Did you mean {', '.join(near)}?"
        if near
        else f"Register its folder first: imageworks {_verb(pipeline)} FOLDER."
    )
    raise UnknownBatch(f"There is no {pipeline} batch {name!r}. {hint}")


def _verb(pipeline: Pipeline) -> str:
    return "judge" if pipeline == "judge" else "tag"


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        pipeline=row.pipeline,
        name=row.name,
        folder=text_path(row.folder),
        rules=text_path(row.rules) if row.rules is not None else None,
        pins=row.pins,
        state=row.state,
        registered_at=row.registered_at,
        published_at=row.published_at,
        published_by=row.published_by,
        below=row.below,
        listed=_listed(row.listed),
    )


def _listed(kept: str | None) -> tuple[str, str] | None:
    if kept is None:
        return None
    run_id, _, digest = kept.partition(" ")
    return run_id, digest
