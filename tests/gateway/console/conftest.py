"""A console over a made-up home, and visitors of every role."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from judged_round import make_home
from served_gateway import Gateway, registry_of
from vllm_double import VllmDouble

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES = ("viewer", "author", "publisher", "admin")


@dataclass
class Visitor:
    """Somebody at a browser: keeps cookies, and sends the token that the page before has given."""

    client: httpx.Client

    def get(self, path: str, **more) -> httpx.Response:
        return self.client.get(f"/console{path}", **more)

    def token(self, path: str = "/results") -> str:
        return re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)[1]

    def post(self, path: str, *, partial: bool = False, **fields: str) -> httpx.Response:
        fields = {"csrf": self.token(), **fields}
        headers = {"HX-Request": "true"} if partial else {}
        return self.client.post(f"/console{path}", data=fields, headers=headers)


@contextmanager
def visiting(gateway: Gateway, key: str | None = None) -> Iterator[Visitor]:
    with httpx.Client(base_url=gateway.url, follow_redirects=True, timeout=60) as client:
        visitor = Visitor(client)
        if key is not None:
            token = visitor.token("/sign-in")
            assert client.post("/console/sign-in", data={"csrf": token, "key": key}).status_code == 200
        yield visitor


@pytest.fixture
def visiting_at():
    """Lets somebody visit a gateway of the test's own."""
    return visiting


@pytest.fixture(scope="module")
def module_double() -> Iterator[VllmDouble]:
    with VllmDouble() as double:
        yield double


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, module_double) -> Iterator[tuple[Gateway, dict[str, str]]]:
    """A gateway that asks for keys, and a key of each role."""
    root = tmp_path_factory.mktemp("console") / "home"
    make_home(root)
    gateway = Gateway(root, registry_of(module_double.url), dagster_url="http://127.0.0.1:1")
    keys = {role: gateway.key_of(f"{role}-person", role=role) for role in ROLES}
    with gateway:
        yield gateway, keys


@pytest.fixture
def visitor_of(guarded):
    """Signs somebody in with the key of a role."""
    gateway, keys = guarded
    opened = []

    def sign_in(role: str) -> Visitor:
        visit = visiting(gateway, keys[role])
        opened.append(visit)
        return visit.__enter__()

    yield sign_in
    for visit in opened:
        visit.__exit__(None, None, None)


@pytest.fixture
def admin(visitor_of) -> Visitor:
    return visitor_of("admin")
