"""API keys: whose they are, kept as digests, and how often each may ask."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from gateway.errors import BadRequest, NotFound, Overloaded, Unauthorized
from store.errors import StoreError
from store.tables import gateway_keys
from store.upserting import insert_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.database import StateDatabase

_LOG: Final = logging.getLogger(__name__)

PREFIX: Final = "iw-"
"""What every key begins with, so that one that leaks is recognized."""

_SHORTEST: Final = 32

FRESH_S: Final = 2.0
"""Seconds after which keys are read anew: a key that was revoked is good for so long at most."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without the key itself.

    Attributes:
        key_id: Names it in lists and logs.
        identity: Whose it is; their role says what it may do.
        note: What it is for.
        requests_a_minute: How often it may ask; None for no bound.
        made_at: When it was made.
        revoked_at: When it was revoked; None if it is good.
    """

    key_id: str
    identity: str
    note: str
    requests_a_minute: int | None
    made_at: datetime
    revoked_at: datetime | None


class Keys:
    """The keys of a gateway, in the state database."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def make(self, identity: str, *, note: str = "", requests_a_minute: int | None = None) -> tuple[Key, str]:
        """A new key, and its text, which is shown this once and kept nowhere."""
        text = PREFIX + secrets.token_urlsafe(32)
        key = Key(secrets.token_hex(4), identity, note, requests_a_minute, datetime.now(UTC), None)
        row = _row(key, text)
        self._database.write(lambda connection: connection.execute(insert(gateway_keys).values(row)))
        return key, text

    def adopt(self, identity: str, text: str, *, note: str = "", requests_a_minute: int | None = None) -> Key:
        """The key of a text that somebody else made, such as a container's secret; it is made where it is none yet.

        Raises:
            BadRequest: It is short enough to be guessed, or was revoked.
        """
        if len(text) < _SHORTEST or not text.isascii() or not text.isprintable():
            raise BadRequest(
                f"A key's text has at least {_SHORTEST} characters, all of them printable ASCII."
            )
        key = Key(secrets.token_hex(4), identity, note, requests_a_minute, datetime.now(UTC), None)
        self._database.write(lambda connection: insert_new(connection, gateway_keys, [_row(key, text)]))
        if (good := self.good().get(_digest(text))) is None:
            raise BadRequest("The key of this text was revoked. Make another text.")
        return good

    def revoke(self, key_id: str) -> None:
        """Let a key be good no longer.

        Raises:
            NotFound: There is none of this id that is good.
        """
        chosen = update(gateway_keys).where(
            gateway_keys.c.key_id == key_id, gateway_keys.c.revoked_at.is_(None)
        )
        revoked: int = self._database.write(
            lambda connection: connection.execute(chosen.values(revoked_at=datetime.now(UTC))).rowcount
        )
        if not revoked:
            raise NotFound(f"No key {key_id!r} is good. `python -m gateway keys` lists them.")

    def all(self) -> list[Key]:
        """Every key there ever was, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(gateway_keys).order_by(gateway_keys.c.made_at))
            return [
                Key(
                    row.key_id,
                    row.identity,
                    row.note,
                    row.requests_a_minute,
                    row.made_at,
                    row.revoked_at,
                )
                for row in rows
            ]

    def good(self) -> dict[str, Key]:
        """Those that are good, by the digest of their text."""
        with self._database.read() as connection:
            rows = connection.execute(select(gateway_keys).where(gateway_keys.c.revoked_at.is_(None)))
            return {
                row.digest: Key(row.key_id, row.identity, row.note, row.requests_a_minute, row.made_at, None)
                for row in rows
            }


class Doorkeeper:
    """Knows keys by their text, and lets each ask as often as it may. Belongs to one event loop."""

    def __init__(self, keys: Keys, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Know the good ones of these."""
        self._keys = keys
        self._clock = clock
        self._good = keys.good()
        self._spent: dict[str, tuple[float, float]] = {}

    @property
    def has_keys(self) -> bool:
        """Whether there is a good key at all."""
        return bool(self._good)

    def knows(self, key_id: str) -> bool:
        """Whether a key is good, by its id."""
        return any(key.key_id == key_id for key in self._good.values())

    async def keep_fresh(self) -> None:
        """Read the keys anew again and again, until canceled."""
        while True:
            await asyncio.sleep(FRESH_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the keys anew; while the database is away, those it knows stay good."""
        try:
            self._good = await asyncio.to_thread(self._keys.good)
        except StoreError as error:
            _LOG.warning("Keys could not be read anew: %s", error)

    def admit(self, text: str) -> Key:
        """The key of this text, if it may ask now.

        Raises:
            Unauthorized: It is no good key.
            Overloaded: It has asked as often as it may.
        """
        key = self._good.get(_digest(text))
        if key is None:
            raise Unauthorized(
                "The API key is not known here, or was revoked. `python -m gateway keys make NAME` makes one."
            )
        self._spend(key)
        return key

    def _spend(self, key: Key) -> None:
        """Take one from a bucket that holds a minute's worth and fills steadily."""
        if key.requests_a_minute is None:
            return
        now, most = self._clock(), float(key.requests_a_minute)
        left, at = self._spent.get(key.key_id, (most, now))
        left = min(most, left + (now - at) * most / 60)
        if left < 1:
            raise Overloaded(
                f"Key {key.key_id} may ask {key.requests_a_minute} times a minute, and has.",
                retry_after_s=max(1, round((1 - left) * 60 / most)),
            )
        self._spent[key.key_id] = (left - 1, now)


def _row(key: Key, text: str) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "digest": _digest(text),
        "identity": key.identity,
        "note": key.note,
        "requests_a_minute": key.requests_a_minute,
        "made_at": key.made_at,
    }


def _digest(text: str) -> str:
    # Keys are 256 random bits: no salt and no slow digest makes those harder to guess.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
