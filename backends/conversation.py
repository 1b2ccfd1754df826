"""A conversation: what a program says to a model itself, in turns, with pictures among them and tools to call."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
import rfc8785

from backends.providers.writing import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Without slots: what is worked out of the messages is kept.
@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Messages in the OpenAI protocol's shape, checked by whoever let them in.

    Attributes:
        messages: Turns in order. Pictures in them are ``image_url`` parts with data URIs of base64.
        tools: Functions that the model may call.
        options: What goes along with tools: ``tool_choice``, ``parallel_tool_calls``.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def encoded(self) -> bytes:
        """The messages as a JSON list, without its last bracket: a repair try goes on from there."""
        return encode(list(self.messages))[:-1]

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the RFC 8785 canonical JSON of all of it, each picture by its own digest.

        Raises:
            ValueError: It holds what JSON cannot.
        """
        said: dict[str, Any] = {
            "messages": [_by_digests(message) for message in self.messages],
            "tools": list(self.tools),
            "options": dict(self.options),
        }
        return hashlib.sha256(_canonical(said)).hexdigest()


def _canonical(said: Mapping[str, Any]) -> bytes:
    """RFC 8785's form. Of texts alone, as most conversations are, it is what a fast writer writes.

    Raises:
        ValueError: It holds what JSON cannot.
    """
    if _holds_texts_alone(said):
        with suppress(orjson.JSONEncodeError):
            return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return rfc8785.dumps(said)


def _holds_texts_alone(value: Any) -> bool:
    """Whether there is no number in it, and no name that the two would sort differently."""
    if value is None or isinstance(value, str | bool):
        return True
    if isinstance(value, dict):
        return all(name.isascii() and _holds_texts_alone(item) for name, item in value.items())
    return isinstance(value, list) and all(map(_holds_texts_alone, value))


def _by_digests(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message with each picture's digest in its place: megabytes are not to be gone over in Python."""
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    return {**message, "content": [_part_by_digest(part) for part in content]}


def _part_by_digest(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part["type"] != "image_url":
        return part
    image = part["image_url"]
    return {**part, "image_url": {**image, "url": hashlib.sha256(image["url"].encode()).hexdigest()}}
