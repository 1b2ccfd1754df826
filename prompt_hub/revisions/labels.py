"""Labels: names such as `production` that point at a revision, and the history of how they were moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import delete, insert, select

from prompt_hub.errors import BadLabel, LabelMoved, NothingToRollBack, PromotionRefused, UnknownLabel
from prompt_hub.hashing import short
from prompt_hub.revisions.access import Identity
from store.tables import prompt_label_moves, prompt_labels
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from prompt_hub.revisions.access import Access
    from prompt_hub.revisions.revisions import Revision, Revisions
    from store.database import StateDatabase

_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_DIGITS: Final = re.compile(r"[0-9a-f]{6,64}")


class Unmet(Protocol):
    """Says which requirements of a label a revision does not meet."""

    def __call__(self, label: str, revision: Revision, /) -> Sequence[str]:
        """Each in words; none where it meets all."""


def _nothing_required(label: str, revision: Revision, /) -> Sequence[str]:
    del label, revision
    return ()


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a label.

    Attributes:
        profile_id: Whose label.
        label: Which.
        from_hash: What it pointed at before; None where it is new.
        to_hash: What it points at since; None where it was taken away.
        who: Who moved it.
        why: Why, in their words.
        overrode: The requirements that were passed over, in words; None where all were met.
        moved_at: When.
    """

    profile_id: str
    label: str
    from_hash: str | None
    to_hash: str | None
    who: Identity
    why: str
    overrode: str | None
    moved_at: datetime


def is_digits(text: str) -> bool:
    """Whether a text is the beginning of a hash, and so no label."""
    return _DIGITS.fullmatch(text) is not None


class Labels:
    """The labels of all profiles. Moves are one after another, and none is ever lost or changed."""

    def __init__(
        self,
        database: StateDatabase,
        access: Access,
        revisions: Revisions,
        *,
        unmet: Unmet | None = None,
    ) -> None:
        """Make them.

        Args:
            database: Keeps them.
            access: Says who may move which.
            revisions: What they point at.
            unmet: Says which requirements of a label a revision does not meet; nothing is required if None.
        """
        self._database = database
        self._access = access
        self._revisions = revisions
        self._unmet = unmet or _nothing_required

    def of(self, profile_id: str) -> Mapping[str, str]:
        """The profile's labels, each with the hash that it points at."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(prompt_labels)
                .where(prompt_labels.c.profile_id == profile_id)
                .order_by(prompt_labels.c.label)
            )
            return {row.label: row.profile_hash for row in rows}

    def at(self, profile_id: str, label: str) -> Revision:
        """The revision that a label points at.

        Raises:
            UnknownLabel: The profile has no such label.
            store.errors.DatabaseUnreachable: Nobody can say.
        """
        labels = self.of(profile_id)
        if label not in labels:
            known = f"It has {', '.join(labels)}." if labels else "It has none."
            raise UnknownLabel(f"Profile {profile_id!r} has no label {label!r}. {known}")
        return self._revisions.get(profile_id, labels[label])

    def history(self, profile_id: str, label: str | None = None) -> list[Move]:
        """How the labels of a profile, or one of them, were moved, the oldest first."""
        chosen = select(prompt_label_moves).where(prompt_label_moves.c.profile_id == profile_id)
        if label is not None:
            chosen = chosen.where(prompt_label_moves.c.label == label)
        with self._database.read() as connection:
            return [_move(row) for row in connection.execute(chosen.order_by(prompt_label_moves.c.move_id))]

    def move(
        self,
        who: Identity,
        label: str,
        revision: Revision,
        *,
        why: str,
        expected: str | None = None,
        override: bool = False,
    ) -> Move:
        """Let a label point at a revision.

        Args:
            who: Who moves it.
            label: Which; a new one is made.
            revision: What it is to point at.
            why: Why, for the history.
            expected: What it points at in the mover's eyes; None where they do not care.
            override: Whether an admin passes over requirements that are not met.

        Raises:
            BadLabel: It is no name of a label.
            AccessRefused: `who` may not move it, or not pass over requirements.
            PromotionRefused: The revision does not meet what the label requires.
            LabelMoved: Somebody else moved it meanwhile.
        """
        if _LABEL.fullmatch(label) is None or is_digits(label):
            raise BadLabel(
                f"{label!r} cannot name a label: use 1 to 40 of a-z, 0-9, _ and -, beginning with a letter, and not "
                f"the digits of a hash."
            )
        profile_id = revision.profile.id
        action = f"move {label} of {profile_id} to {short(revision.hash)}"
        self._require_mover(who, label, action)
        unmet = self._unmet(label, revision)
        if unmet and not override:
            raise PromotionRefused(
                f"{label} of {profile_id} cannot point at {short(revision.hash)}: {'; '.join(unmet)}. Run what is "
                f"missing, or let an admin override it with a reason."
            )
        if unmet:
            self._access.require(who, "admin", f"{action}, whose requirements are not met")
            if not why.strip():
                raise PromotionRefused(
                    "Whoever passes over requirements gives a reason, which stays in the history."
                )
        overrode = "; ".join(unmet) or None
        return self._write(who, profile_id, label, revision.hash, why, expected=expected, overrode=overrode)

    def roll_back(self, who: Identity, profile_id: str, label: str, *, why: str) -> Move:
        """Move a label back to what it pointed at before its last move. Its revision met the requirements then.

        Raises:
            UnknownLabel: The profile has no such label.
            NothingToRollBack: It was never moved.
            AccessRefused: `who` may not move it.
        """
        now = self.at(profile_id, label).hash
        self._require_mover(who, label, f"roll {label} of {profile_id} back")
        before = self.history(profile_id, label)[-1].from_hash
        if before is None:
            raise NothingToRollBack(
                f"{label} of {profile_id} has pointed at {short(now)} from the beginning."
            )
        return self._write(who, profile_id, label, before, why, expected=now, overrode=None)

    def remove(self, who: Identity, profile_id: str, label: str, *, why: str) -> Move:
        """Take a label away; its history stays.

        Raises:
            UnknownLabel: The profile has no such label.
            AccessRefused: `who` may not move it.
        """
        now = self.at(profile_id, label).hash
        self._require_mover(who, label, f"take {label} of {profile_id} away")
        return self._write(who, profile_id, label, None, why, expected=now, overrode=None)

    def _require_mover(self, who: Identity, label: str, action: str) -> None:
        self._access.require(who, "publisher" if label in self._access.protected() else "author", action)

    def _write(
        self,
        who: Identity,
        profile_id: str,
        label: str,
        to_hash: str | None,
        why: str,
        *,
        expected: str | None,
        overrode: str | None,
    ) -> Move:
        this = (prompt_labels.c.profile_id == profile_id) & (prompt_labels.c.label == label)

        def work(connection: Connection) -> Move:
            # Locked where the database can: of two who move it at once, the second sees what the first has done.
            found = connection.execute(select(prompt_labels).where(this).with_for_update()).first()
            before = None if found is None else found.profile_hash
            if expected is not None and before != expected:
                raise LabelMoved(
                    f"{label} of {profile_id} points at {short(before or '') or 'nothing'} by now, and no longer at "
                    f"{short(expected)}: somebody else moved it. Look at its history, and decide anew."
                )
            if to_hash is None:
                connection.execute(delete(prompt_labels).where(this))
            else:
                row = {"profile_id": profile_id, "label": label, "profile_hash": to_hash}
                upsert(connection, prompt_labels, [row])
            move = Move(profile_id, label, before, to_hash, who, why, overrode, datetime.now(UTC))
            connection.execute(
                insert(prompt_label_moves).values(
                    profile_id=profile_id,
                    label=label,
                    from_hash=before,
                    to_hash=to_hash,
                    who=who.name,
                    acted_by=who.acted_by,
                    why=why,
                    overrode=overrode,
                    moved_at=move.moved_at,
                )
            )
            return move

        return self._database.write(work)


def _move(row: Any) -> Move:
    return Move(
        profile_id=row.profile_id,
        label=row.label,
        from_hash=row.from_hash,
        to_hash=row.to_hash,
        who=Identity(row.who, row.acted_by),
        why=row.why,
        overrode=row.overrode,
        moved_at=row.moved_at,
    )
