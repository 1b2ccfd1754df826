"""A host of model servers, for tests of leases: devices with so much memory, servers that fence, and a judge of both.

It speaks JSON over HTTP on a socket, takes time, and notes whatever must not happen: more memory used than there is,
more at once on a resident than it takes, a model told to go while its server is busy.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx

from backends.errors import LoadingFailed
from backends.loading.protocol import Inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from backends.leases.records import ServerAddress


class ModelHost:
    """All servers of a test: one a model and device."""

    def __init__(
        self,
        devices: Mapping[str, int],
        models: Mapping[str, tuple[int, int]],
        load_s: float,
        *,
        shared: Collection[tuple[str, str]] = (),
    ) -> None:
        """``models``: memory in MiB and slots, by name; ``shared``: models and devices that are one server's, of which
        it has one at a time.
        """
        self.shared = shared
        self.devices = devices
        self.models = models
        self.load_s = load_s
        self.violations: list[str] = []
        self.uses = 0
        self.refused = 0
        self.loads = 0
        self._lock = threading.Lock()
        # By model and device: the token it was loaded under, those that are revoked, those in use.
        self._resident: dict[tuple[str, str], int] = {}
        self._highest: dict[tuple[str, str], int] = {}
        self._revoked: set[int] = set()
        self._in_use: dict[tuple[str, str], list[int]] = {}

    def load(self, model: str, device: str, token: int) -> tuple[int, dict[str, Any]]:
        key = (model, device)
        with self._lock:
            if token < self._highest.get(key, 0):
                return 409, {"error": "stale_token"}
            self._highest[key] = token
            if key not in self._resident:
                self.loads += 1
            self._resident[key] = token
            used = sum(self.models[one][0] for one, where in self._resident if where == device)
            if used > self.devices[device]:
                self.violations.append(f"{used} MiB on {device}, which has {self.devices[device]}")
            at_once = [one for one in self._resident if one in self.shared]
            if key in self.shared and len(at_once) > 1:
                self.violations.append(f"{at_once} at once in a server of one")
        time.sleep(self.load_s)
        return 200, {}

    def unload(self, model: str, device: str, token: int) -> tuple[int, dict[str, Any]]:
        key = (model, device)
        with self._lock:
            if token < self._highest.get(key, 0):
                return 409, {"error": "stale_token"}
            self._highest[key] = token
        # Requests in flight end first.
        while True:
            with self._lock:
                if not self._in_use.get(key):
                    if self._highest[key] == token:
                        self._resident.pop(key, None)
                    return 200, {}
            time.sleep(0.002)

    def revoke(self, token: int) -> tuple[int, dict[str, Any]]:
        with self._lock:
            self._revoked.add(token)
        return 200, {}

    def use(self, model: str, device: str, token: int, seconds: float) -> tuple[int, dict[str, Any]]:
        key = (model, device)
        with self._lock:
            if token < self._resident.get(key, 1 << 62) or token in self._revoked:
                self.refused += 1
                return 409, {"error": "stale_lease"}
            using = self._in_use.setdefault(key, [])
            using.append(token)
            self.uses += 1
            if len(using) > self.models[model][1]:
                self.violations.append(f"{len(using)} at once on {key}: {using}")
            if len(set(using)) < len(using):
                self.violations.append(f"one lease twice at once on {key}: {using}")
        time.sleep(seconds)
        with self._lock:
            using.remove(token)
        return 200, {}


@contextmanager
def serving(host: ModelHost) -> Iterator[str]:
    """The host's URL, while it serves."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = getattr(host, self.path[1:])(**said)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            # Who asked may have been killed.
            with suppress(ConnectionError):
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class HostLoading:
    """How the broker loads there: ``Loading``, where a deployment's name is its device's."""

    def __init__(self, server: ServerAddress) -> None:
        self._server = server
        self._model, _, self._device = server.served_model_id.partition("@")

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        del going_on
        self._ask("load", model=self._model, device=self._device, token=token)
        return None

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        del going_on
        self._ask("unload", model=self._model, device=self._device, token=token)

    def revoke(self, token: int) -> None:
        self._ask("revoke", token=token)

    def close(self) -> None:
        pass

    def inventory(self) -> Inventory:
        return Inventory()

    def _ask(self, what: str, **said: Any) -> None:
        try:
            response = httpx.post(f"{self._server.url}/{what}", json=said, timeout=30.0, trust_env=False)
        except httpx.HTTPError as error:
            raise LoadingFailed(str(error)) from error
        if response.status_code != 200:
            raise LoadingFailed(response.text, response.status_code)
