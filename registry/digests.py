"""Digests by content: SHA-256 over RFC 8785 canonical JSON, so that order and formatting mean nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785


def digest(value: Any) -> str:
    """Give the SHA-256, in hex, of a plain JSON value's RFC 8785 form."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()
