"""Output schemas: what names them, and what is sent."""

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
    """A JSON Schema as it is named and sent.

    Attributes:
        digest: SHA-256, in hex, of its RFC 8785 canonical JSON, in which the order of fields means nothing.
        encoded: Its JSON, ready to be put into a body, with the fields in their order: a server that holds a model to
            a schema has it write them in that order.
    """

    digest: str
    encoded: bytes


def canonical_schema(schema: Mapping[str, Any]) -> CanonicalSchema:
    """The schema as it is named and sent; the same text is worked out once.

    Raises:
        InvalidRequest: It holds what JSON cannot.
    """
    # Serializing in C costs 15 µs; a cache by identity would miss an edit of the same mapping.
    try:
        return _canonical(json.dumps(schema, separators=(",", ":")))
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"An output schema cannot be written as JSON: {error}.") from error


@lru_cache(maxsize=256)
def _canonical(text: str) -> CanonicalSchema:
    digest = hashlib.sha256(rfc8785.dumps(json.loads(text))).hexdigest()
    return CanonicalSchema(digest=digest, encoded=text.encode("ascii"))
