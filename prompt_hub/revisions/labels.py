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
from prompt_hub.revisions.revisions import SHORTEST_HASH
from store.tables import prompt_label_moves, prompt_labels
from store.upserting import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from prompt_hub.revisions.access import Access, Role
    from prompt_hub.revisions.revisions import Revision, Revisions
    from prompt_hub.schema import PromptProfile
    from store.database import StateDatabase

_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_DIGITS: Final = re.compile(rf"[0-9a-f]{{{SHORTEST_HASH},64}}")
_FEW_DIGITS: Final = re.compile(r"[0-9a-f]+")


class Unmet(Protocol):
    """Says which requirements of a label a profile does not meet."""

    def __call__(self, label: str, profile: PromptProfile, named: str, /) -> Sequence[str]:
        """Each in words; none where it meets all. `named` is how a command names the profile."""


def _nothing_required(label: str, profile: PromptProfile, named: str, /) -> Sequence[str]:
    del label, profile, named
    return ()


@dataclass(frozen=True, slots=True)
class Move:
    """One move of a label.

    Attributes:
        profile_id: Whose label.
        label: Which.
        from_hash: What it pointed at before; None where it is new.
        to_hash: What it points at since; None where it was taken away. The same where nothing was moved, of which
            the history knows nothing.
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

    @property
    def is_none(self) -> bool:
        """Whether the label pointed there already, so that nothing was moved."""
        return self.from_hash == self.to_hash


def is_digits(text: str) -> bool:
    """Whether a text is the beginning of a hash, and so no label."""
    return _DIGITS.fullmatch(text) is not None


def revision_before(moves: Iterable[tuple[str, bool]]) -> str | None:
    """The revision to which a label goes back; None where there is none.

    Args:
        moves: All of the label's, the oldest first: what it pointed at since, and whether that was going back. What
            it went back from is behind it no longer.
    """
    behind: list[str] = []
    for to_hash, rolled_back in moves:
        if rolled_back:
            while behind and behind[-1] != to_hash:
                behind.pop()
        if behind[-1:] != [to_hash]:
            behind.append(to_hash)
    return behind[-2] if len(behind) > 1 else None


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
            unmet: Says which requirements of a label a profile does not meet; nothing is required if None.
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
            short_of = (
                f" The first digits of a hash are {SHORTEST_HASH} at least."
                if _FEW_DIGITS.fullmatch(label)
                else ""
            )
            raise UnknownLabel(f"Profile {profile_id!r} has no label {label!r}. {known}{short_of}")
        return self._revisions.get(profile_id, labels[label])

    def history(self, profile_id: str, label: str | None = None) -> list[Move]:
        """How the labels of a profile, or one of them, were moved, the oldest first."""
        chosen = select(prompt_label_moves).where(prompt_label_moves.c.profile_id == profile_id)
        if label is not None:
            chosen = chosen.where(prompt_label_moves.c.label == label)
        with self._database.read() as connection:
            return [_move(row) for row in connection.execute(chosen.order_by(prompt_label_moves.c.move_id))]

    def hindrances(self, who: Identity, label: str, profile: PromptProfile, *, named: str) -> Sequence[str]:
        """Why a label would not move to a profile, each in words; nothing is kept of the question.

        Args:
            who: Who would move it.
            label: Which.
            profile: What it would point at.
            named: How a command names the profile, kept or not.

        Raises:
            BadLabel: It is no name of a label.
        """
        _check_name(label)
        lacking = self._access.lacking(who, self._mover(label))
        return [*([lacking] if lacking else []), *self._unmet(label, profile, named)]

    def require(
        self,
        who: Identity,
        label: str,
        profile: PromptProfile,
        *,
        named: str,
        why: str,
        override: bool = False,
    ) -> str | None:
        """Return if a label may be moved to a profile, kept or not.

        Args:
            who: Who moves it.
            label: Which.
            profile: What it is to point at.
            named: How a command names the profile.
            why: Why, for the history.
            override: Whether an admin passes over requirements that are not met.

        Returns:
            The requirements that are passed over, in words; None where all are met.

        Raises:
            BadLabel, AccessRefused, PromotionRefused: As `move`.
        """
        return self._allowed(who, label, profile, named=named, why=why, override=override)[1]

    def _allowed(
        self, who: Identity, label: str, profile: PromptProfile, *, named: str, why: str, override: bool
    ) -> tuple[bool, str | None]:
        """Whether the label points there already, where nothing is required; and what `require` returns."""
        _check_name(label)
        action = f"move {label} of {profile.id} to {short(profile.hash)}"
        self._access.require(who, self._mover(label), action)
        if self.of(profile.id).get(label) == profile.hash:
            return True, None
        unmet = self._unmet(label, profile, named)
        if unmet and not override:
            raise PromotionRefused(
                f"{label} of {profile.id} cannot point at {short(profile.hash)}: {'; '.join(unmet)}. Run what is "
                f"missing, or pass over it as an admin and say why: --override --why REASON."
            )
        if unmet:
            self._access.require(who, "admin", f"{action}, whose requirements are not met")
            if not why.strip():
                raise PromotionRefused(
                    "Whoever passes over requirements gives a reason, which stays in the history: --why REASON."
                )
        self._check_why(label, why)
        return False, "; ".join(unmet) or None

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
            PromotionRefused: The revision does not meet what the label requires, or nobody says why a protected
                label moves.
            LabelMoved: Somebody else moved it meanwhile.

        Returns:
            The move, which is none where the label points there already.
        """
        profile = revision.profile
        named = f"{profile.id}@{short(profile.hash)}"
        is_there, overrode = self._allowed(who, label, profile, named=named, why=why, override=override)
        if is_there and expected is None:
            # Nothing was required of a move that is none: it must not become one.
            expected = profile.hash
        return self._write(who, profile.id, label, profile.hash, why, expected=expected, overrode=overrode)

    def roll_back(self, who: Identity, profile_id: str, label: str, *, why: str) -> Move:
        """Move a label back to the revision before; again, and it goes further back. All met the requirements then.

        Raises:
            UnknownLabel: The profile has no such label.
            NothingToRollBack: It has pointed at no other revision before.
            AccessRefused: `who` may not move it.
            PromotionRefused: Nobody says why a protected label moves.
        """
        now = self.at(profile_id, label).hash
        self._access.require(who, self._mover(label), f"roll {label} of {profile_id} back")
        before = self._before(profile_id, label)
        if before is None:
            raise NothingToRollBack(
                f"{label} of {profile_id} points at {short(now)}, and there is no revision to go back to before it. "
                f"`python -m prompt_hub history {profile_id}` shows all moves."
            )
        self._check_why(label, why)
        return self._write(who, profile_id, label, before, why, expected=now, overrode=None, rolled_back=True)

    def remove(self, who: Identity, profile_id: str, label: str, *, why: str) -> Move:
        """Take a label away; its history stays.

        Raises:
            UnknownLabel: The profile has no such label.
            AccessRefused: `who` may not move it.
        """
        now = self.at(profile_id, label).hash
        self._access.require(who, self._mover(label), f"take {label} of {profile_id} away")
        self._check_why(label, why)
        return self._write(who, profile_id, label, None, why, expected=now, overrode=None)

    def _mover(self, label: str) -> Role:
        return "publisher" if label in self._access.protected() else "author"

    def _check_why(self, label: str, why: str) -> None:
        if not why.strip() and label in self._access.protected():
            raise PromotionRefused(
                f"{label} is protected: say why it is moved, which stays in the history: --why REASON."
            )

    def _before(self, profile_id: str, label: str) -> str | None:
        table = prompt_label_moves
        moves = (
            select(table.c.to_hash, table.c.rolled_back)
            .where(table.c.profile_id == profile_id, table.c.label == label, table.c.to_hash.is_not(None))
            .order_by(table.c.move_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(moves).all()
        return revision_before((row.to_hash, bool(row.rolled_back)) for row in rows)

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
        rolled_back: bool = False,
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
            move = Move(profile_id, label, before, to_hash, who, why, overrode, datetime.now(UTC))
            if move.is_none:
                return move
            if to_hash is None:
                connection.execute(delete(prompt_labels).where(this))
            else:
                row = {"profile_id": profile_id, "label": label, "profile_hash": to_hash}
                upsert(connection, prompt_labels, [row])
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
                    rolled_back=rolled_back,
                )
            )
            return move

        return self._database.write(work)


def _check_name(label: str) -> None:
    if _LABEL.fullmatch(label) is None or is_digits(label):
        raise BadLabel(
            f"{label!r} cannot name a label: use 1 to 40 of a-z, 0-9, _ and -, beginning with a letter, and not "
            f"the digits of a hash."
        )


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
