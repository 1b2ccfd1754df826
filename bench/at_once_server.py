"""A chat server that answers at once, and says that it is a supervisor with its model loaded.

`python -m bench.at_once_server` prints its URL once it listens. What stands before it is all that takes time. Of a
streamed answer the first event comes at once and the rest a little later, so that who waits for the whole is seen to.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import httptools
import uvloop

from bench.server import SERVED

REST_S: Final = 0.02
_MESSAGE: Final = {"role": "assistant", "content": "A calm frame, a warm sky, and one bold line of light."}
_USAGE: Final = {"prompt_tokens": 20, "completion_tokens": 14, "total_tokens": 34}
_HEAD: Final = {"id": "chatcmpl-1", "created": 1, "model": SERVED}


def _whole(said: Any) -> bytes:
    body = json.dumps(said).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    said = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, **more}
    return _chunk(b"data: %b\n\n" % json.dumps(said).encode())


_COMPLETION: Final = _whole(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
)
_STREAM_BEGINS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + _event({"role": "assistant", "content": "A calm frame,"})
)
_STREAM_ENDS: Final = b"".join(
    (
        _event({"content": " a warm sky."}),
        _event({}, "stop", usage=_USAGE),
        _chunk(b"data: [DONE]\n\n"),
        _chunk(b""),
    )
)
_MODELS: Final = _whole(
    {"object": "list", "data": [{"id": SERVED, "object": "model", "max_model_len": 16384}]}
)
_STATE: Final = _whole(
    {
        "service": "imageworks-supervisor",
        "token": 1,
        "active": {"model": SERVED, "state": "ready", "token": 1},
    }
)


class _Answering(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        url, body = self._url, b"".join(self._body)
        self._url, self._body = b"", []
        if url.startswith(b"/state"):
            self._transport.write(_STATE)
        elif url.startswith(b"/v1/models"):
            self._transport.write(_MODELS)
        elif b'"stream":true' in body[-2000:].replace(b" ", b""):
            self._transport.write(_STREAM_BEGINS)
            asyncio.get_running_loop().call_later(REST_S, self._transport.write, _STREAM_ENDS)
        else:
            self._transport.write(_COMPLETION)


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
