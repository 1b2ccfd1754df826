"""Who asks: by an API key, or, on the loopback of a machine where there is none, its user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.trusted_hosts import is_loopback
from gateway.errors import Forbidden, Unauthorized
from prompt_hub.errors import AccessRefused
from prompt_hub.revisions.access import Identity

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.parts import Parts
    from prompt_hub.revisions.access import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks.

    Attributes:
        identity: Who; their role says what they may do.
        key_id: Of the key that says so; None without one.
    """

    identity: Identity
    key_id: str | None = None

    @property
    def name(self) -> str:
        """What turns are taken by."""
        return self.key_id or self.identity.name


def caller_of(request: Request, parts: Parts) -> Caller:
    """Who asks.

    Raises:
        Forbidden: A page of another site asks, in the browser of somebody who may.
        Unauthorized: There are keys, and the request has none, or none that is good.
        Overloaded: The key has asked as often as it may.
    """
    _refuse_other_sites(request)
    given = request.headers.get("authorization")
    asked_for = asks_for_keys(parts)
    if given is None:
        if asked_for:
            raise Unauthorized(
                "This gateway asks for an API key: send Authorization: Bearer iw-… "
                "`python -m gateway keys make NAME` makes one.",
                code="missing_api_key",
            )
        return Caller(parts.user)
    scheme, _, text = given.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthorized("Authorization is not of the form Bearer KEY.")
    if not asked_for:
        # Programs of the OpenAI protocol cannot be told to send none.
        return Caller(parts.user)
    key = parts.door.admit(text.strip())
    return Caller(Identity(key.identity), key.key_id)


def asks_for_keys(parts: Parts) -> bool:
    """Whether nobody is let in without a key."""
    # Where other machines can ask, nobody is the user of this one, though the last key was revoked meanwhile.
    return parts.door.has_keys or not is_loopback(parts.settings.gateway_host)


def _refuse_other_sites(request: Request) -> None:
    # Programs send no Origin; a browser cannot be kept from sending one.
    origin = request.headers.get("origin")
    if origin is not None and origin.lower().partition("://")[2] != request.headers.get("host", "").lower():
        raise Forbidden(f"Pages of {origin[:80]!r} may not ask this gateway.", code="other_site")


def require(parts: Parts, caller: Caller, role: Role, action: str) -> None:
    """Return if the caller has the role, or one above it; reads the database.

    Raises:
        Forbidden: They have not; it is kept and logged.
    """
    try:
        parts.prompts.access.require(caller.identity, role, action)
    except AccessRefused as error:
        raise Forbidden(str(error)) from error
