"""Output schemas in canonical form: what names them, and what is sent."""

# Light on purpose: requests are made by code that never asks, so jsonschema stays out of here.

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import rfc8785

from backends.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CanonicalSchema:
    """A JSON Schema in canonical form.

    Attributes:
        digest: SHA-256, in hex, of ``encoded``.
        encoded: Its RFC 8785 canonical JSON, ready to be put into a body.
    """

    digest: str
    encoded: bytes


def canonical_schema(schema: Mapping[str, Any]) -> CanonicalSchema:
    """The schema in canonical form; the same content is worked out once.

    Raises:
        InvalidRequest: It holds what JSON cannot.
    """
    # Serializing in C costs 15 µs; a cache by identity would miss an edit of the same mapping.
    try:
        return _canonical(json.dumps(schema, sort_keys=True))
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"An output schema cannot be written as JSON: {error}.") from error


@lru_cache(maxsize=256)
def _canonical(text: str) -> CanonicalSchema:
    encoded = rfc8785.dumps(json.loads(text))
    return CanonicalSchema(digest=hashlib.sha256(encoded).hexdigest(), encoded=encoded)
