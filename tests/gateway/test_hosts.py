"""By which names the gateway lets itself be asked."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize("host", ["127.0.0.1:8700", "localhost", "[::1]:8700"])
def test_this_machine_is_asked_by_its_own_names(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_page_that_gives_its_name_this_machines_address_is_refused(client, host):
    answer = client.get("/v1/models", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_whoever_has_a_key_may_ask_by_any_name(opened):
    with opened() as served:
        key = served.key_of("ann")
    with opened() as served:
        headers = {"Host": "gpu-box", "Authorization": f"Bearer {key}"}
        assert httpx.get(f"{served.url}/v1/models", headers=headers).status_code == 200
        assert httpx.get(f"{served.url}/v1/models", headers={"Host": "gpu-box"}).status_code == 401
