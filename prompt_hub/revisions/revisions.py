"""Revisions: effective profiles as they were, by their hash, never changed and never lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from pydantic import ValidationError
from sqlalchemy import select

from prompt_hub.errors import AmbiguousRevision, DamagedRevision, UnknownRevision
from prompt_hub.hashing import short
from prompt_hub.schema import PromptProfile
from store.tables import prompt_revisions
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from store.database import StateDatabase

SHORTEST_HASH: Final = 6
"""Digits of a hash that a person has to give at least."""

_LONGEST_MESSAGE: Final = 2000


@dataclass(frozen=True)
class Revision:
    """An effective profile as it was when it was saved or used.

    Attributes:
        profile: The profile.
        layers: The file that each of its fields came from, by dotted name.
        parents: Hashes of the revisions that it was made from.
        lineage: How a program made it; empty where a person did.
        author: Who saved it, or whose run used it first.
        message: What it is for.
        saved_at: When.
    """

    profile: PromptProfile
    layers: Mapping[str, str]
    parents: tuple[str, ...]
    lineage: Mapping[str, Any]
    author: str
    message: str
    saved_at: datetime

    @property
    def hash(self) -> str:
        """Its profile's `profile_hash`, which names it."""
        return self.profile.hash


class Revisions:
    """All revisions of the state database."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def keep(
        self,
        profile: PromptProfile,
        *,
        author: str,
        message: str,
        layers: Mapping[str, str] | None = None,
        parents: Sequence[str] | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> bool:
        """Keep a profile as a revision; one that is kept already stays as it is.

        Args:
            profile: An effective profile.
            author: Whose it is.
            message: What it is for; longer ones are cut.
            layers: The file of each field.
            parents: What it was made from; the profile's newest revision if None.
            lineage: How a program made it.

        Returns:
            Whether it is new.
        """
        row = {
            "profile_hash": profile.hash,
            "profile_id": profile.id,
            "content": rfc8785.dumps(profile.model_dump(mode="json")).decode(),
            "layers": dict(layers or {}),
            "lineage": dict(lineage or {}),
            "author": author,
            "message": message[:_LONGEST_MESSAGE],
            "saved_at": datetime.now(UTC),
        }

        def work(connection: Connection) -> bool:
            made_from = _newest(connection, profile.id) if parents is None else list(parents)
            return insert_new(connection, prompt_revisions, [{**row, "parents": made_from}]) == 1

        with self._database.read() as connection:
            if _kept(connection, profile.hash):
                return False
        return self._database.write(work)

    def get(self, profile_id: str, digits: str) -> Revision:
        """The revision of a profile whose hash begins with these digits.

        Raises:
            UnknownRevision: There is none.
            AmbiguousRevision: There are several.
            DamagedRevision: What is kept is not what was.
            store.errors.DatabaseUnreachable: Nobody can say.
        """
        with self._database.read() as connection:
            rows = connection.execute(
                select(prompt_revisions)
                .where(
                    prompt_revisions.c.profile_id == profile_id,
                    prompt_revisions.c.profile_hash.startswith(digits, autoescape=True),
                )
                .limit(2)
            ).all()
        if not rows:
            raise UnknownRevision(
                f"No revision {digits} of profile {profile_id!r} is kept. "
                f"`python -m prompt_hub history {profile_id}` shows those that are."
            )
        if len(rows) > 1:
            raise AmbiguousRevision(
                f"Several revisions of profile {profile_id!r} begin with {digits}: "
                f"{', '.join(short(row.profile_hash) for row in rows)}, …. Give more digits."
            )
        return _revision(rows[0])

    def history(self, profile_id: str) -> list[Revision]:
        """All revisions of a profile, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(prompt_revisions)
                .where(prompt_revisions.c.profile_id == profile_id)
                .order_by(prompt_revisions.c.saved_at.desc(), prompt_revisions.c.profile_hash)
            ).all()
        return [_revision(row) for row in rows]


def _kept(connection: Connection, profile_hash: str) -> bool:
    found = select(prompt_revisions.c.profile_hash).where(prompt_revisions.c.profile_hash == profile_hash)
    return connection.scalar(found) is not None


def _newest(connection: Connection, profile_id: str) -> list[str]:
    newest = connection.scalar(
        select(prompt_revisions.c.profile_hash)
        .where(prompt_revisions.c.profile_id == profile_id)
        .order_by(prompt_revisions.c.saved_at.desc())
        .limit(1)
    )
    return [] if newest is None else [newest]


def _revision(row: Row[Any]) -> Revision:
    try:
        profile = PromptProfile.model_validate(json.loads(row.content))
    except (ValueError, ValidationError) as error:
        raise DamagedRevision(
            f"Revision {short(row.profile_hash)} of profile {row.profile_id!r} cannot be read: {error}. It was kept by "
            f"another version of this program, or somebody changed the database."
        ) from error
    if profile.hash != row.profile_hash:
        raise DamagedRevision(
            f"Revision {short(row.profile_hash)} of profile {row.profile_id!r} now has the hash {short(profile.hash)}: "
            f"somebody changed the database, or this version reads it otherwise. Save it anew from its files."
        )
    return Revision(
        profile=profile,
        layers=row.layers,
        parents=tuple(row.parents),
        lineage=row.lineage,
        author=row.author,
        message=row.message,
        saved_at=row.saved_at,
    )
