"""A double of a model server as a supervisor runs it: a program with workers, which loads, answers, hangs and dies.

Standard library alone, so that it starts at once. Beside what is forwarded to it, tests ask it on its own port under
``/double/``: what it saw, and to go on, to die, to be ill.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TextIO
from urllib.parse import parse_qs, urlsplit

# A worker that nothing but SIGKILL ends, in a group and session of its own if told so.
WORKER = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(600)"


class Double:
    """What the handlers share."""

    def __init__(self, ready_file: Path | None, *, load_s: float, latency_s: float) -> None:
        self.ready_file = ready_file
        self.loaded_at = time.monotonic() + load_s
        self.latency_s = latency_s
        self.health = 200
        self.hangs = False
        self.asked: list[dict[str, object]] = []
        self.cancelled = 0
        self.received = 0
        self.go_on = threading.Semaphore(0)

    def is_loaded(self) -> bool:
        if time.monotonic() < self.loaded_at:
            return False
        return self.ready_file is None or self.ready_file.exists()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def log_message(self, *_: object) -> None:
        """Say nothing: what it says is a test's."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_DELETE(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._send(200, b"", {"X-Head": "yes"})

    def do_POST(self) -> None:
        if urlsplit(self.path).path == "/v1/swallow":
            self._swallow()
        elif urlsplit(self.path).path == "/v1/refuse-early":
            self.close_connection = True
            self._send(400, b"no")
        else:
            self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _swallow(self) -> None:
        """Take a large body one piece at a time, when told to."""
        left = int(self.headers["Content-Length"])
        while left:
            self.double.go_on.acquire()
            piece = self.rfile.read(min(left, 1024 * 1024))
            left -= len(piece)
            self.double.received += len(piece)
        self._send(200, b"swallowed")

    def _answer(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/double/"):
            self._double(url.path.removeprefix("/double/"), {k: v[0] for k, v in parse_qs(url.query).items()})
            return
        if url.path == "/health":
            while self.double.hangs:
                time.sleep(0.05)
            self._send(self.double.health if self.double.is_loaded() else 503, b"")
            return
        self.double.asked.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": self.headers.items(),
                "body": body.decode("latin-1"),
            }
        )
        if url.path == "/v1/chat/completions":
            self._chat(json.loads(body))
        elif url.path == "/v1/teapot":
            self._send(
                418,
                b"short and stout",
                {"Set-Cookie": "a=1", "X-Kept": "yes", "Connection": "X-Gone", "X-Gone": "1"},
            )
        else:
            self._send(200, f"{self.command} {url.path}".encode())

    def _chat(self, request: dict[str, object]) -> None:
        time.sleep(self.double.latency_s)
        if request.get("wait") and not self._told_to_go_on():
            return
        if not request.get("stream"):
            self._send(200, b'{"choices": [{"message": {"content": "a word"}}]}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(int(str(request.get("pieces", 3)))):
            if number and not self._told_to_go_on():
                return
            piece = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _told_to_go_on(self) -> bool:
        """Wait for the test's word; False when the client hung up before it came."""
        while not self.double.go_on.acquire(timeout=0.02):
            if self._is_left():
                self.double.cancelled += 1
                self.close_connection = True
                return False
        return True

    def _is_left(self) -> bool:
        """Whether the client has hung up; one that had something unread yet resets the connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def _double(self, what: str, options: dict[str, str]) -> None:
        match what:
            case "exit":
                os._exit(int(options.get("status", 1)))
            case "health":
                self.double.health = int(options["status"])
            case "hang":
                self.double.hangs = True
            case "say":
                say(options["text"])
            case _:
                pass
        seen = {
            "pid": os.getpid(),
            "asked": self.double.asked,
            "cancelled": self.double.cancelled,
            "received": self.double.received,
            "environ": dict(os.environ),
        }
        self._send(200, json.dumps(seen).encode())
        if what == "go-on":
            # Once answered: with its last request done, a draining double is stopped at once.
            self.double.go_on.release()

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that hung up is a test's doing."""


def say(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ready-when", type=Path, help="healthy once this file exists")
    parser.add_argument("--load", type=float, default=0.0, help="seconds until it is healthy")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each answer of a chat")
    parser.add_argument("--pids", type=Path, help="append the ids of all processes to this file")
    parser.add_argument("--workers", type=int, default=0, help="processes that ignore SIGTERM")
    parser.add_argument("--escaped-workers", type=int, default=0, help="the same, in sessions of their own")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--exit-at-start", type=int, help="say why, and exit with this status")
    parser.add_argument("--say", default="loading", help="said at the start")
    options = parser.parse_args()
    say(options.say)
    if options.exit_at_start is not None:
        say("no kernel image is available", sys.stderr)
        sys.exit(options.exit_at_start)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_sigterm else lambda *_: os._exit(0))
    command = [sys.executable, "-IS", "-c", WORKER]
    workers = [subprocess.Popen(command) for _ in range(options.workers)]
    workers += [subprocess.Popen(command, start_new_session=True) for _ in range(options.escaped_workers)]
    if options.pids is not None:
        with options.pids.open("a") as file:
            file.writelines(f"{pid}\n" for pid in (os.getpid(), *(worker.pid for worker in workers)))
    Handler.double = Double(options.ready_when, load_s=options.load, latency_s=options.latency)
    Server(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
