"""A server of S3's protocol in a process of its own, and a wire to it that can be cut."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

BUCKET: Final = "club"
_CHUNK: Final = 64 * 1024
_SOME: Final = 5


def variables(endpoint: str) -> dict[str, str]:
    """What reaches the server, in the usual environment."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "a-very-secret-key",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def object_store() -> Iterator[str]:
    """The server's address, with one empty bucket, until the block ends."""
    with subprocess.Popen(
        [sys.executable, Path(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=somebody/20260101/us-east-1/s3/aws4_request"}
        httpx.put(f"{endpoint}/{BUCKET}", headers=signed, timeout=60).raise_for_status()
        try:
            yield endpoint
        finally:
            server.kill()


class CuttingProxy:
    """A wire to the store on which the n-th question that changes something is cut in its middle, and all later ones.

    Some of its body reaches the store. Use as a context manager.
    """

    def __init__(self, endpoint: str, cut_at: int) -> None:
        self._store = urlsplit(endpoint)
        self._left = cut_at
        self._lock = threading.Lock()
        proxy = self

        class Wire(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                proxy._pass(self.rfile, self.connection)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Wire)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """Where to ask."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def cut(self) -> bool:
        """Whether it came to the question."""
        return self._left <= 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _pass(self, asked: BufferedReader, client: socket.socket) -> None:
        """One question on a connection of its own."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = asked.readline()
            if not line:
                return
            head += line
        with self._lock:
            self._left -= head.split(b" ")[0] in {b"PUT", b"POST", b"DELETE"}
            cut = self._left <= 0
        one_question = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        with socket.create_connection((self._store.hostname, self._store.port)) as store:
            store.sendall(one_question)
            if cut:
                if head.startswith(b"PUT ") and b"expect: 100-continue" not in head.lower():
                    store.sendall(asked.read1(_SOME))
                return
            threading.Thread(target=_pass_on, args=(asked.read1, store.sendall), daemon=True).start()
            _pass_on(store.recv, client.sendall)


def _pass_on(receive: Callable[[int], bytes], send: Callable[[bytes], object]) -> None:
    """Bytes, until one of the two is gone."""
    with suppress(OSError, ValueError):
        while data := receive(_CHUNK):
            send(data)


if __name__ == "__main__":
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
