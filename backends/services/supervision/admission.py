"""Whose requests reach the model server: leases fenced by their tokens, requests in flight counted."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from backends.services.supervision.errors import StaleLease, TooManyRevoked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_REVOKED: Final = 10_000


class Admission:
    """The door of one activation.

    Attributes:
        token: The activation's: leases below it are stale.
        in_flight: Requests that were let in and have not ended.
    """

    def __init__(self, token: int) -> None:
        self.token = token
        self.in_flight = 0
        self._revoked: set[int] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def revoke(self, tokens: Iterable[int]) -> None:
        """Let no request of these leases in from now on.

        Raises:
            TooManyRevoked: There would be more of them than are remembered; none is added.
        """
        revoked = self._revoked.union(tokens)
        if len(revoked) > MOST_REVOKED:
            raise TooManyRevoked(
                f"More than {MOST_REVOKED} leases would be revoked in one activation: activate the model anew, "
                "with a token above theirs, which makes them stale."
            )
        self._revoked = revoked

    def check(self, lease: int | None) -> None:
        """Let pass who shows no lease, or a valid one.

        Raises:
            StaleLease: It was given before this activation, or revoked.
        """
        if lease is None:
            return
        if lease < self.token:
            raise StaleLease(
                f"The lease {lease} is older than this activation ({self.token}): ask for a new one."
            )
        if lease in self._revoked:
            raise StaleLease(f"The lease {lease} was revoked: ask for a new one.")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request for as long as the context is open."""
        self.in_flight += 1
        self._empty.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._empty.set()

    async def empty(self) -> None:
        """Return once no request is in flight."""
        await self._empty.wait()
