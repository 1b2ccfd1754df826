"""What a chat completion is answered with: whole, or in server-sent events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import BaseModel

if TYPE_CHECKING:
    from backends.answer import Answer
    from backends.providers.protocol import Chunk


class ToldMessage(BaseModel):
    """What the model says."""

    role: Literal["assistant"]
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0]
    message: ToldMessage
    logprobs: None
    finish_reason: str


class Usage(BaseModel):
    """Tokens that were read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


def completion(answer: Answer) -> dict[str, Any]:
    """A whole answer."""
    message = answer.message if answer.message is not None else {"role": "assistant", "content": answer.text}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason or "stop",
    }
    return {
        "id": f"chatcmpl-{answer.request_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.model,
        "choices": [choice],
        "usage": usage(answer),
    }


def headers_of(answer: Answer) -> dict[str, str]:
    """What is told of an answer beside it."""
    said = {
        "X-ImageWorks-Answered-By": answer.request_id,
        "X-ImageWorks-Recalled": "true" if answer.recalled else "false",
    }
    if answer.deployment is not None:
        said["X-ImageWorks-Deployment"] = answer.deployment
    if answer.dropped_parameters:
        said["X-ImageWorks-Dropped"] = ", ".join(answer.dropped_parameters)
    return said


def usage(answer: Answer) -> dict[str, int]:
    """Tokens of an answer; none where the server did not count."""
    read, written = answer.input_tokens or 0, answer.output_tokens or 0
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


class Chunks:
    """The events of one streamed answer."""

    def __init__(self, model: str, request_id: str) -> None:
        """Begin them."""
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }

    def part(self, chunk: Chunk) -> bytes:
        """A part of the answer."""
        choice = {"index": 0, "delta": chunk.delta, "logprobs": None, "finish_reason": chunk.finish_reason}
        return _event({**self._head, "choices": [choice]})

    def usage(self, answer: Answer) -> bytes:
        """What it came to, for those who asked for it."""
        return _event({**self._head, "choices": [], "usage": usage(answer)})


def _event(said: Any) -> bytes:
    return b"data: " + orjson.dumps(said) + b"\n\n"


def error_event(body: Any) -> bytes:
    """What is told where an answer breaks off."""
    return _event(body)


DONE = b"data: [DONE]\n\n"
"""The last event of a good answer."""
