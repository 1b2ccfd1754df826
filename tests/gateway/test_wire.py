"""Heads go out with what follows them, and never wait for it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.wire import HeadWithBody

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Taking(asyncio.Transport):
    """A transport that keeps each write apart."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data) -> None:
        self.writes.append(bytes(data))

    def writelines(self, parts) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.closed_after = len(self.writes)

    def is_closing(self) -> bool:
        return self.closed_after is not None


@pytest.fixture
def taking():
    return Taking()


async def turn_of_the_loop() -> None:
    await asyncio.sleep(0)


async def test_a_head_and_its_body_are_one_write(taking):
    wire = HeadWithBody(taking)
    wire.write(HEAD)
    wire.write(b"{}")
    await turn_of_the_loop()

    assert taking.writes == [HEAD + b"{}"]


async def test_a_head_that_nothing_follows_goes_out_in_the_next_turn_of_the_loop(taking):
    wire = HeadWithBody(taking)
    wire.write(HEAD)
    assert taking.writes == []
    await turn_of_the_loop()

    assert taking.writes == [HEAD]


async def test_what_looks_like_a_head_waits_no_longer_than_one(taking):
    wire = HeadWithBody(taking)
    wire.write(HEAD)
    wire.write(HEAD)
    wire.write(HEAD)
    await turn_of_the_loop()

    assert b"".join(taking.writes) == HEAD * 3


async def test_what_is_closed_is_written_before(taking):
    wire = HeadWithBody(taking)
    wire.write(HEAD)
    wire.close()
    await turn_of_the_loop()

    assert taking.writes == [HEAD]
    assert taking.closed_after == 1
    assert wire.is_closing()


async def test_all_else_goes_on_at_once(taking):
    wire = HeadWithBody(taking)
    wire.write(b"data: 1\n\n")

    assert taking.writes == [b"data: 1\n\n"]
