"""The message that answers a conversation, in the OpenAI protocol's shape: read whole, or put together of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backends.errors import ConnectionReset, HttpFailure
from backends.providers.protocol import Chunk, RawAnswer
from backends.providers.reading import count, error_words, items, number, part, short, string, words
from backends.providers.writing import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS: Final = ("content", "reasoning", "reasoning_content", "refusal")
_MOST_CALLS: Final = 128


def message_of(said: Any) -> dict[str, Any]:
    """What a server's message says, without whatever else it holds."""
    message: dict[str, Any] = {"role": "assistant", "content": text_of(part(said, "content"))}
    for name in _TEXTS[1:]:
        if (text := string(part(said, name))) is not None:
            message[name] = text
    if calls := [_call(call) for call in items(part(said, "tool_calls"))[:_MOST_CALLS]]:
        message["tool_calls"] = calls
    return message


def text_of(content: Any) -> str:
    """The text of a message, which is a string or a list of parts."""
    if isinstance(content, list):
        return "".join(text for one in content if (text := string(part(one, "text"))))
    return string(content) or ""


def usage_of(said: Any) -> dict[str, Any]:
    """Tokens as an answer counts them, by the names that they have in ``RawAnswer``."""
    usage = part(said, "usage")
    return {
        "input_tokens": count(part(usage, "prompt_tokens")),
        "image_tokens": count(part(part(usage, "prompt_tokens_details"), "image_tokens")),
        "output_tokens": count(part(usage, "completion_tokens")),
    }


def timing_of(said: Any) -> dict[str, Any]:
    """Times as vLLM tells them, by the names that they have in ``RawAnswer``."""
    metrics = part(said, "metrics")
    ttft_ms = number(part(metrics, "time_to_first_token_ms"))
    return {
        "ttft_ms": ttft_ms,
        # vLLM starts its clock when it schedules the request, after its queue.
        "ttft_origin": None if ttft_ms is None else "scheduled",
        "queue_ms": number(part(metrics, "queue_time_ms")),
    }


class StreamedMessage:
    """A message that comes in parts, and what it has come to."""

    def __init__(self, url: str) -> None:
        """Begin one.

        Args:
            url: Where it comes from, for errors.
        """
        self._url = url
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish_reason: str | None = None
        self._served_model: str | None = None
        self._usage: dict[str, Any] = {}
        self._timing: dict[str, Any] = {}

    def add(self, said: Any) -> Chunk | None:
        """Take one part; give what of it is to be handed on, if anything is.

        Raises:
            HttpFailure: The server says that it failed in the middle.
        """
        if (error := part(said, "error")) is not None:
            status = count(part(error, "code")) or 500
            raise HttpFailure(
                f"{self._url} failed in the middle of an answer: {short(error_words(encode(said)))}.",
                http_status=status if 400 <= status < 600 else 500,  # noqa: PLR2004 - statuses of errors
            )
        self._served_model = self._served_model or words(part(said, "model"))
        if part(said, "usage") is not None:
            self._usage = usage_of(said)
        if part(said, "metrics") is not None:
            self._timing = timing_of(said)
        choice = next(iter(items(part(said, "choices"))), None)
        delta = self._added(part(choice, "delta"))
        finish_reason = words(part(choice, "finish_reason"))
        self._finish_reason = finish_reason or self._finish_reason
        return Chunk(delta, finish_reason) if delta or finish_reason else None

    def whole(self) -> RawAnswer:
        """All of it.

        Raises:
            ConnectionReset: It came to no end.
        """
        if self._finish_reason is None:
            raise ConnectionReset(f"{self._url} broke an answer off before its end.", http_status=200)
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        message |= {name: "".join(texts) for name, texts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return RawAnswer(
            text=message["content"],
            message=message,
            finish_reason=self._finish_reason,
            refusal=message.get("refusal"),
            served_model=self._served_model,
            **self._usage,
            **self._timing,
        )

    def _added(self, said: Any) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if part(said, "role") == "assistant":
            delta["role"] = "assistant"
        for name in _TEXTS:
            if (text := string(part(said, name))) is not None:
                self._texts.setdefault(name, []).append(text)
                delta[name] = text
        if calls := [self._added_call(call) for call in items(part(said, "tool_calls"))[:_MOST_CALLS]]:
            delta["tool_calls"] = calls
        return delta

    def _added_call(self, said: Any) -> dict[str, Any]:
        index = min(count(part(said, "index")) or 0, _MOST_CALLS)
        added = _call(said, whole=False)
        known = self._calls.setdefault(index, {"type": "function", "function": {"name": "", "arguments": ""}})
        if "id" in added:
            known["id"] = added["id"]
        for name, text in added["function"].items():
            known["function"][name] += text
        return {"index": index, **added}


def _call(said: Any, *, whole: bool = True) -> dict[str, Any]:
    """A call of a tool; of a part of one, only what it says."""
    call: dict[str, Any] = {} if not whole else {"id": "", "type": "function"}
    if (given := words(part(said, "id"))) is not None:
        call |= {"id": given, "type": "function"}
    function: Mapping[str, Any] = {
        name: text
        for name in ("name", "arguments")
        if (text := string(part(part(said, "function"), name))) is not None
    }
    call["function"] = {"name": "", "arguments": "", **function} if whole else function
    return call
