"""Write request bodies in pieces, so that megabytes of base64 are neither scanned nor copied on the event loop."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from backends.providers.protocol import Repair
    from registry.schema import Model


def encode(value: Any) -> bytes:
    """A value as JSON in UTF-8."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # Lone surrogates, from a file name that is not UTF-8, become question marks: no server takes them.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@lru_cache(maxsize=64)
def encode_system(text: str) -> bytes:
    """The same for a system message: one goes with all photos of a stage."""
    return encode(text)


def repair_messages(repair: Repair) -> bytes:
    """The messages of the repair try, to follow the first ones: the answer, and what is wrong with it."""
    again = (
        f"{repair.problem} Answer again with the same content as one JSON object that fits the schema, and nothing "
        f"else."
    )
    return b"".join(
        (
            b',{"role":"assistant","content":',
            encode(repair.text),
            b'},{"role":"user","content":',
            encode(again),
            b"}",
        )
    )


def holds_to_schema(model: Model) -> bool:
    """Whether the registry says that the model's answers can be held to a schema."""
    chat = model.capabilities.chat
    return chat is not None and chat.structured_output
