"""Answers on the wire: a head goes out with what follows it, in one write.

uvicorn writes them one after the other, and each write wakes the client.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

_HEAD: Final = b"HTTP/1.1 "


class HeadWithBody:
    """A transport that keeps a head back until the next write, or the loop's next turn.

    What is kept back is no more than one head; whatever else is written goes on at once.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        """Write to this one."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: Any) -> None:
        """Write, or keep back."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            # Nothing may come after it for a while, as of a stream.
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close, when all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self._transport.write(head)
