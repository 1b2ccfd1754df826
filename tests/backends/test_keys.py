"""Keys of servers are read alike by whoever sends one and whoever asks for it."""

from __future__ import annotations

import pytest
from aiohttp import web
from served import Served

from backends.errors import LoadingFailed, ModelMisconfigured
from backends.keys import UnusableKey, masked, read_key
from backends.leases.records import ServerAddress
from backends.loading.asking import Desk


@pytest.mark.parametrize("value", ["s3cret", " s3cret\n", "\ts3cret "])
def test_space_around_a_key_is_no_part_of_it(value):
    assert read_key("KEY", {"KEY": value}) == "s3cret"


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_key_that_is_not_there_names_its_variable(environ):
    with pytest.raises(UnusableKey, match="KEY, which is not set"):
        read_key("KEY", environ)


@pytest.mark.parametrize("value", ["schlüssel", "two\nlines", "a\x00b", "\udcff"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(value):
    with pytest.raises(UnusableKey, match="KEY, which holds characters that no key has") as refused:
        read_key("KEY", {"KEY": value})
    assert value not in str(refused.value)


def test_a_key_is_masked_wherever_it_stands():
    assert masked("no s3cret is s3cret", "s3cret") == "no ******** is ********"
    assert masked("no key", None) == "no key"


class Echo(Served):
    def routes(self):
        return [web.get("/state", self._say)]

    async def _say(self, request):
        return web.json_response({"error": {"message": request.headers["Authorization"]}}, status=401)


def test_what_a_supervisor_says_of_its_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("KEY", "s3cret")
    with Echo() as echo:
        desk = Desk(ServerAddress(provider="vllm", url=echo.url, served_model_id="tiny", key_env="KEY"))
        with pytest.raises(LoadingFailed, match=r"answered 401: Bearer \*{8}\.") as refused:
            desk.get("/state")
        desk.close()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "schlüssel"])
def test_a_supervisor_is_not_asked_with_a_key_that_is_none(monkeypatch, value):
    monkeypatch.setenv("KEY", value)
    server = ServerAddress(provider="vllm", url="http://127.0.0.1:9", served_model_id="tiny", key_env="KEY")
    with pytest.raises(ModelMisconfigured, match="KEY, which"):
        Desk(server)
