"""Leases that an operator ends by word of command, chosen so that nobody ends by mistake what somebody else uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.errors import ReleaseRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from backends.leases.standing import LeaseStanding


def leases_to_release(
    leases: Sequence[LeaseStanding],
    *,
    tokens: Collection[int] = (),
    holder: str | None = None,
    everything: bool = False,
) -> tuple[LeaseStanding, ...]:
    """The leases that are chosen.

    Args:
        leases: All there are.
        tokens: Those with these tokens.
        holder: Those of this holder; with tokens, those of them that are its.
        everything: All of them; goes with no other choice.

    Raises:
        ReleaseRefused: Nothing is chosen, too much is, or what is chosen is not there.
    """
    if everything and (tokens or holder is not None):
        raise ReleaseRefused("--all chooses every lease: give it alone, or leave it out.")
    if everything:
        return tuple(leases)
    if not tokens and holder is None:
        raise ReleaseRefused(
            "Say which leases: tokens as `python -m backends leases` shows them, --holder, or --all."
        )
    if holder is not None and all(lease.holder != holder for lease in leases):
        holders = ", ".join(dict.fromkeys(lease.holder for lease in leases)) or "nobody"
        raise ReleaseRefused(f"{holder} holds no lease; those who do: {holders}.")
    of_holder = [lease for lease in leases if holder is None or lease.holder == holder]
    missing = sorted(set(tokens) - {lease.token for lease in of_holder})
    if missing:
        whose = "" if holder is None else f" of {holder}"
        known = ", ".join(str(lease.token) for lease in of_holder) or "none"
        raise ReleaseRefused(
            f"There is no lease{whose} with token {', '.join(map(str, missing))}; there are: {known}. It may have "
            f"ended meanwhile. Nothing was released."
        )
    return tuple(lease for lease in of_holder if not tokens or lease.token in tokens)
