"""Who is signed in: sessions in this process's memory, by the digest of what the browser keeps."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_hub.revisions.access import Identity

LASTS_S: Final = 12 * 3600
"""Seconds after which a session ends, whatever was done in it."""

MOST: Final = 1000
"""Sessions at once; who comes then ends the oldest one."""

_MOST_NOTICES: Final = 10


@dataclass(eq=False)
class Session:
    """Somebody who is signed in.

    Attributes:
        identity: Who.
        key_id: Of the key that they signed in with; None on the loopback of a machine without keys.
        token: What every form of theirs has to send along.
        ends_at: On the sessions' clock.
        notices: What they are told on the next page.
    """

    identity: Identity
    key_id: str | None
    token: str
    ends_at: float
    notices: list[str] = field(default_factory=list)

    def tell(self, words: str) -> None:
        """Have something said on the next page."""
        self.notices = [*self.notices, words][-_MOST_NOTICES:]

    def told(self) -> list[str]:
        """What is to be said, which then is said."""
        told, self.notices = self.notices, []
        return told


class Sessions:
    """The sessions. Use them from any thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Make none yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._by_digest: OrderedDict[str, Session] = OrderedDict()
        self._secret = secrets.token_bytes(32)

    def open(self, identity: Identity, key_id: str | None) -> tuple[str, Session]:
        """A new session, and what the browser keeps of it, which is kept nowhere here."""
        kept = secrets.token_urlsafe(32)
        session = Session(identity, key_id, secrets.token_urlsafe(32), self._clock() + LASTS_S)
        with self._lock:
            self._by_digest[_digest(kept)] = session
            while len(self._by_digest) > MOST:
                self._by_digest.popitem(last=False)
        return kept, session

    def find(self, kept: str | None) -> Session | None:
        """The session of what a browser has kept; None if it has ended, or never was."""
        if not kept:
            return None
        with self._lock:
            session = self._by_digest.get(_digest(kept))
            if session is not None and session.ends_at <= self._clock():
                del self._by_digest[_digest(kept)]
                return None
            return session

    def close(self, kept: str | None) -> None:
        """End a session."""
        if kept:
            with self._lock:
                self._by_digest.pop(_digest(kept), None)

    def token_before(self, kept: str) -> str:
        """The token of the form that signs in, where there is no session yet; it goes with a cookie of its own."""
        return hmac.new(self._secret, kept.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def is_token(given: str, wanted: str) -> bool:
    """Whether a form's token is the right one; takes as long for every wrong one."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _digest(kept: str) -> str:
    return hashlib.sha256(kept.encode("utf-8", "replace")).hexdigest()
