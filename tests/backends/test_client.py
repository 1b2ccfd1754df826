from __future__ import annotations

import pytest
from client_desk import model_at, picture, request_of
from vllm_double import VllmDouble

pytestmark = pytest.mark.anyio


async def test_a_request_is_asked_answered_and_recorded(desk):
    with VllmDouble() as double:
        async with desk.client() as client:
            answer = await client.complete(request_of(model_at(double.url), images=(picture(),)))
    assert answer.ok
    assert not answer.recalled
    assert 0 <= answer.data["score"] <= 20
    (event,) = desk.events()
    assert event["event_id"] == answer.request_id
    assert event["status"] == "ok"
    assert event["attempt_count"] == 1
    assert len(double.history) == 1
