"""The state database's URL: what can be one, and how it is shown without its password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from pydantic import SecretStr

MASK = "********"

_STATE_SCHEME = re.compile(r"(?:postgresql(?:\+psycopg)?|postgres):")
# Narrower than RFC 3986 and than SQLAlchemy on purpose: they part a URL in different places, and what one takes for
# a database the other takes for half a password. Here no two parsers can disagree.
_STATE_URL = re.compile(
    r"(?P<scheme>[a-z+]+://)(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<place>(?:\[[0-9A-Fa-f:.]+\]|[^:@/?#\[\]\s]*)(?::[0-9]{1,5})?(?:/[^@?#\s]*)?)(?:\?(?P<query>[^@#\s]*))?"
)
_SECRET = re.compile("pass|secret|key|token", re.IGNORECASE)


def checked_url(url: SecretStr) -> SecretStr:
    """The URL, if it is one of PostgreSQL.

    Raises:
        ValueError: it is not; the message says what is.
    """
    # The message never quotes the value: it may hold a password.
    text = url.get_secret_value()
    if not _STATE_SCHEME.match(text):
        raise ValueError(
            "must be postgresql://user:password@host:5432/database; "
            "leave it unset for SQLite in the home folder"
        )
    if not _STATE_URL.fullmatch(text):
        raise ValueError(
            "is not a URL; write postgresql://user:password@host:5432/database, and within user, password and "
            "the others %2F for a /, %3F for a ?, %23 for a #, %40 for a @, %3A for a : and %20 for a space"
        )
    return url


def masked_url(url: str) -> str:
    """`url` with its password, in the authority or in the query, replaced by asterisks; all of it if it is none."""
    parts = _STATE_URL.fullmatch(url)
    if parts is None:
        return MASK
    password = "" if parts["password"] is None else f":{MASK}"
    user = "" if parts["user"] is None else f"{parts['user']}{password}@"
    query = [
        (key, MASK if _SECRET.search(key) else value)
        for key, value in parse_qsl(parts["query"] or "", keep_blank_values=True)
    ]
    shown = f"?{urlencode(query, safe='*/')}" if query else ""
    return f"{parts['scheme']}{user}{parts['place']}{shown}"
