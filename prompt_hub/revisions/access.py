"""Who may do what with prompts: four roles, held to by this library whoever calls it, and every refusal is kept."""

from __future__ import annotations

import logging
import os
import pwd
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, get_args

from sqlalchemy import delete, func, insert, select

from prompt_hub.errors import AccessRefused, LastAdmin, UnknownRole
from store.tables import prompt_protected_labels, prompt_refusals, prompt_roles
from store.upserting import insert_new, upsert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from store.database import StateDatabase

Role = Literal["viewer", "author", "publisher", "admin"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may do all that those before it may.

A viewer reads. An author saves revisions and moves labels that are not protected. A publisher moves protected labels
to what passed its tests. An admin gives roles, protects labels, and may pass over tests with a reason.
"""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who does something.

    Attributes:
        name: Whose name it is done in.
        acted_by: The admin who does it in that name; None where people act for themselves.
    """

    name: str
    acted_by: str | None = None

    def __str__(self) -> str:
        return self.name if self.acted_by is None else f"{self.name} (by {self.acted_by})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that somebody was not allowed to do."""

    who: Identity
    action: str
    why: str
    refused_at: datetime


def system_user() -> Identity:
    """Whom the operating system says that this process belongs to; its environment says nothing of that."""
    number = os.getuid()
    try:
        return Identity(pwd.getpwuid(number).pw_name)
    except KeyError:
        return Identity(f"uid-{number}")


class Access:
    """Roles and protected labels. As long as nobody was given a role, everybody is an admin: a machine of one's own."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def role_of(self, identity: Identity) -> Role:
        """What somebody may do; viewers are those whom nobody gave a role."""
        with self._database.read() as connection:
            return _role_of(connection, identity)

    def acting_as(self, actor: Identity, name: str) -> Identity:
        """Another's identity, with that one's role; an admin alone may take it.

        Raises:
            AccessRefused: The actor is none.
        """
        self.require(actor, "admin", f"act in the name of {name}")
        return Identity(name, acted_by=actor.name)

    def require(self, identity: Identity, needed: Role, action: str) -> None:
        """Return if somebody has the role, or one above it.

        Args:
            identity: Who.
            needed: The least role.
            action: What it is for, as the words after "may not".

        Raises:
            AccessRefused: The role is missing; it is kept and logged.
        """
        lacking = self.lacking(identity, needed)
        if lacking:
            raise self.refused(identity, action, lacking)

    def lacking(self, identity: Identity, needed: Role) -> str:
        """Why somebody has not the role, or one above it, in words; empty where they have. Nothing is kept of it."""
        role = self.role_of(identity)
        if ROLES.index(role) >= ROLES.index(needed):
            return ""
        return f"{identity.name} is {_an(role)}, and that takes {_an(needed)}"

    def refused(self, identity: Identity, action: str, why: str) -> AccessRefused:
        """The error of a refusal, which is kept and logged by now."""
        values = {
            "who": identity.name,
            "acted_by": identity.acted_by,
            "action": action,
            "why": why,
            "refused_at": datetime.now(UTC),
        }
        self._database.write(lambda connection: connection.execute(insert(prompt_refusals).values(values)))
        _LOG.warning("Refused: %s may not %s: %s.", identity, action, why)
        return AccessRefused(f"{identity} may not {action}: {why}.")

    def refusals(self) -> list[Refusal]:
        """All refusals, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(prompt_refusals).order_by(prompt_refusals.c.refusal_id))
            return [
                Refusal(Identity(row.who, row.acted_by), row.action, row.why, row.refused_at) for row in rows
            ]

    def roles(self) -> Mapping[str, Role]:
        """The roles that were given, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(prompt_roles).order_by(prompt_roles.c.identity))
            return {row.identity: row.role for row in rows}

    def give(self, identity: Identity, name: str, role: str) -> None:
        """Give somebody a role. Whoever gives the first one is an admin from then on.

        Raises:
            AccessRefused: `identity` is no admin.
            UnknownRole: There is no such role.
            LastAdmin: The only admin would be none any longer.
        """
        if role not in ROLES:
            raise UnknownRole(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
        self.require(identity, "admin", f"give {name} the role {role}")
        giver = identity.acted_by or identity.name

        def work(connection: Connection) -> None:
            given = {"given_by": giver, "given_at": datetime.now(UTC)}
            insert_new(connection, prompt_roles, _first(connection, giver, given))
            upsert(connection, prompt_roles, [{"identity": name, "role": role, **given}])
            _keep_an_admin(connection)

        self._database.write(work)

    def take_away(self, identity: Identity, name: str) -> None:
        """Make somebody a viewer again.

        Raises:
            AccessRefused: `identity` is no admin.
            LastAdmin: It is the only admin.
        """
        self.require(identity, "admin", f"take the role of {name} away")

        def work(connection: Connection) -> None:
            connection.execute(delete(prompt_roles).where(prompt_roles.c.identity == name))
            _keep_an_admin(connection)

        self._database.write(work)

    def protected(self) -> frozenset[str]:
        """The labels that publishers alone may move."""
        with self._database.read() as connection:
            return frozenset(connection.scalars(select(prompt_protected_labels.c.label)))

    def protect(self, identity: Identity, label: str) -> None:
        """Let a label be moved by publishers alone.

        Raises:
            AccessRefused: `identity` is no admin.
        """
        self.require(identity, "admin", f"protect the label {label}")
        self._database.write(
            lambda connection: insert_new(connection, prompt_protected_labels, [{"label": label}])
        )

    def unprotect(self, identity: Identity, label: str) -> None:
        """Let a label be moved by authors.

        Raises:
            AccessRefused: `identity` is no admin.
        """
        self.require(identity, "admin", f"take the protection of the label {label} away")
        unprotected = delete(prompt_protected_labels).where(prompt_protected_labels.c.label == label)
        self._database.write(lambda connection: connection.execute(unprotected))


def _role_of(connection: Connection, identity: Identity) -> Role:
    role: Role | None = connection.scalar(
        select(prompt_roles.c.role).where(prompt_roles.c.identity == identity.name)
    )
    if role is not None:
        return role
    given = connection.scalar(select(func.count()).select_from(prompt_roles))
    return "viewer" if given else "admin"


def _first(connection: Connection, giver: str, given: Mapping[str, object]) -> list[dict[str, object]]:
    if connection.scalar(select(func.count()).select_from(prompt_roles)):
        return []
    return [{"identity": giver, "role": "admin", **given}]


def _keep_an_admin(connection: Connection) -> None:
    left = connection.execute(select(prompt_roles.c.role)).scalars().all()
    if left and "admin" not in left:
        raise LastAdmin(
            "That would leave nobody who may give roles. Give somebody else the role admin first."
        )


def _an(role: Role) -> str:
    return f"an {role}" if role[0] == "a" else f"a {role}"
