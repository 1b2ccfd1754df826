"""The page of devices: what is on each, who holds it, who waits, and why it was decided so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backends.decision_table import last_decisions
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.releasing import leases_to_release
from backends.leases.standing import read_standing
from gateway.errors import BadRequest

if TYPE_CHECKING:
    from starlette.responses import Response

    from gateway.console.visits import Visit

_DECISIONS: Final = 60


def show_devices(visit: Visit) -> Response:
    """The page, or the part of it that is asked for again and again."""
    standing = read_standing(visit.parts.settings)
    decisions = list(reversed(last_decisions(visit.parts.home, last=_DECISIONS)))
    template = "gpu_standing.html" if visit.is_partial else "gpu.html"
    return visit.page(
        template,
        section="gpu",
        standing=standing,
        decisions=decisions,
        declared=visit.parts.models.registry.devices,
        mode=visit.parts.settings.leases,
    )


def ask_release(visit: Visit) -> Response:
    """Ask whether a lease is to end, with what that means."""
    lease = leases_to_release(
        read_standing(visit.parts.settings).leases, tokens=[_token(visit.asked("token"))]
    )[0]
    return visit.page("release.html", section="gpu", lease=lease)


def release(visit: Visit) -> Response:
    """End a lease.

    Raises:
        AccessRefused: Their role is below publisher.
        ReleaseRefused: There is no such lease any longer.
    """
    token = _token(visit.said("token"))
    visit.require("publisher", f"release the lease {token}")
    lease = leases_to_release(read_standing(visit.parts.settings).leases, tokens=[token])[0]
    ended = Ledger(visit.parts.database, "operator", limits=Limits()).release([lease.token])
    visit.record("gpu.release", str(token), model=lease.model, device=lease.device, holder=lease.holder)
    told = f"The lease of {lease.model} has ended." if ended else "The lease had ended by itself."
    return visit.go("/console/gpu", told)


def _token(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - what a database's integer holds
        raise BadRequest(f"{text[:40]!r} is no token of a lease.")
    return int(text)
