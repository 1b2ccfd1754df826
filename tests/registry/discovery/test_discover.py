"""`python -m registry discover`: against servers that listen, and against some that are none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest
from aiohttp import web
from iqa_double import IqaDouble
from ollama_double import OllamaDouble
from served import Served
from trtllm_double import TrtllmDouble
from vllm_double import VllmDouble

from registry.discovery.asking import Questions
from registry.discovery.servers import MOST_MODELS, FoundDevice, look_at
from registry.errors import ServerSilent
from registry.registry import Registry

pytestmark = pytest.mark.slow


class Pages(Served):
    """A server that has these pages, as JSON or as it is."""

    def __init__(self, **pages):
        super().__init__()
        self.pages = {f"/{path.replace('__', '/')}": said for path, said in pages.items()}

    def routes(self):
        return [web.get("/{path:.*}", self._page)]

    async def _page(self, request):
        if request.path not in self.pages:
            return web.Response(status=404, text="nothing here")
        said = self.pages[request.path]
        if isinstance(said, web.Response):
            return said
        return web.json_response(said)


def supervisor(**changes):
    state = {
        "service": "imageworks-supervisor",
        "provider": "vllm",
        "models": ["acme/fine-vl", "other"],
        "device": {"name": "studio", "kind": "whole", "memory_mib": 24_576, "used_mib": 7, "uuid": None},
        "active": None,
    }
    return Pages(state={**state, **changes})


@pytest.fixture
def free_url():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def discover(tmp_path):
    def run(*arguments, registry=""):
        (tmp_path / "registry.yaml").write_text(registry, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "registry", "discover", *arguments],
            env={**os.environ, "IMAGEWORKS_HOME": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )

    return run


def loaded(tmp_path, text):
    path = tmp_path / "proposed.yaml"
    path.write_text(text, encoding="utf-8")
    shipped = Registry.load(None, environ={})
    return {
        name: model
        for name, model in Registry.load(path, environ={}).models.items()
        if name not in shipped.models
    }


def test_an_ollama_server_is_found_out_with_what_each_model_can_and_takes():
    with OllamaDouble(pulled={"a:1b": ["completion", "vision"], "b": ["embedding"], "c": None}) as double:
        found = look_at(double.url)
    assert (found.provider, found.words) == ("ollama", "Ollama 0.33.0")
    a, b, c = found.models
    assert (a.chats, a.sees, a.context_tokens, a.weights) == (True, True, 131_072, "f4031aab637d")
    assert (b.chats, b.sees) == (False, False)
    assert (c.chats, c.sees, c.file_bytes) == (None, None, 8_149_190_253)
    assert double.loads == 0


def test_a_vllm_server_is_found_out_with_its_context_length():
    with VllmDouble(model="acme/fine") as double:
        found = look_at(double.url)
        assert double.history == []
    assert (found.provider, found.words) == ("vllm", "vLLM 0.32.0")
    assert [(one.served_model_id, one.context_tokens) for one in found.models] == [("acme/fine", 16_384)]


def test_a_tensorrt_llm_server_is_told_from_a_vllm_one():
    with TrtllmDouble(model="fine") as double:
        assert look_at(double.url).provider == "trtllm"
        assert look_at(double.url, "trtllm").models[0].context_tokens is None
        assert look_at(double.url, "openai").words == "a server of the OpenAI protocol"


@pytest.mark.parametrize("ready", [True, False])
def test_a_tf_iqa_worker_tells_its_metrics_also_while_it_loads(ready):
    with IqaDouble(metrics=("musiq_spaq",), ready=ready) as double:
        (model,) = look_at(double.url).models
    assert model.metrics == ("musiq_spaq",)


def test_a_supervisor_tells_its_models_and_its_device_whatever_it_is_said_to_be():
    with supervisor() as double:
        for kind in (None, "vllm"):
            found = look_at(double.url, kind)
            assert (found.provider, found.words) == ("vllm", "a supervisor of vllm")
            assert [one.served_model_id for one in found.models] == ["acme/fine-vl", "other"]
            assert found.device == FoundDevice("studio", "whole", 24_576)


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"state": {"service": "something-else", "provider": "vllm"}},
        {"state": {"service": "imageworks-supervisor", "provider": ["vllm"]}},
        {"v1__models": {"data": "none"}},
        {"v1__models": ["a"]},
        {"api__tags": {"models": {"a": 1}}},
        {"healthz": {"metrics": "all"}},
        {"v1__models": web.Response(text="<html>")},
    ],
)
def test_what_is_no_model_server_is_said_to_be_none(pages):
    with Pages(**pages) as double, pytest.raises(ServerSilent, match="no model server that is known here"):
        look_at(double.url)


def test_odd_cards_are_passed_over_and_there_is_an_end_to_them():
    odd = [7, {"id": 3}, {"id": ""}, {}, {"id": "a", "owned_by": ["x"], "max_model_len": True}]
    with Pages(v1__models={"data": odd}) as double:
        (model,) = look_at(double.url, "vllm").models
    assert (model.served_model_id, model.context_tokens) == ("a", None)
    with Pages(v1__models={"data": [{"id": f"m{number}"} for number in range(1000)]}) as double:
        assert len(look_at(double.url).models) == MOST_MODELS


def test_a_server_that_asks_for_a_key_is_told_apart():
    with VllmDouble(api_key="secret") as double, pytest.raises(ServerSilent, match="with api_key_env"):
        look_at(double.url)


@pytest.mark.parametrize("kind", [None, "vllm", "tf_iqa"])
def test_a_supervisor_with_a_key_is_told_apart_whatever_it_forwards_without_one(kind):
    refusal = {"error": {"code": "unauthorized", "message": "This route needs the supervisor's key."}}
    with (
        Pages(
            state=web.json_response(refusal, status=401),
            healthz={"status": "ok"},
            v1__models={"data": [{"id": "acme/fine", "max_model_len": 8192}]},
        ) as double,
        pytest.raises(ServerSilent, match=r"a supervisor with a key.*control_key_env.*docs/supervisor\.md"),
    ):
        look_at(double.url, kind)


def test_another_protocol_than_the_one_said_is_told():
    with OllamaDouble() as double, pytest.raises(ServerSilent, match="is no tf_iqa server"):
        look_at(double.url, "tf_iqa")


def test_an_answer_without_end_is_not_waited_for():
    with (
        Pages(big=["x" * 4096]) as double,
        Questions(double.url, answer_bytes=1024) as questions,
        pytest.raises(ServerSilent, match="more than 1,024 bytes"),
    ):
        questions.get("/big")


@contextmanager
def dripping(head):
    """The URL of a server that sends a head, and then spaces without end."""
    stop = threading.Event()

    def drip():
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(head)
            while not stop.wait(0.02):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: x"],
    ids=["the body", "the head"],
)
def test_an_answer_that_comes_in_drops_is_not_waited_for(head):
    with (
        dripping(head) as url,
        Questions(url, page_s=0.3) as questions,
        pytest.raises(ServerSilent, match=r"no whole answer within 0\.3 s"),
    ):
        questions.get("/")


def test_the_command_prints_what_validate_accepts_and_tells_who_is_silent(discover, tmp_path, free_url):
    with (
        OllamaDouble(pulled={"acme:7b": ["completion", "vision"], "gemma3:12b": ["completion"]}) as ollama,
        VllmDouble(model="acme/fine-vl") as vllm,
        TrtllmDouble(model="dense") as trtllm,
        IqaDouble(metrics=("musiq_spaq", "koniq")) as iqa,
        supervisor(models=["supervised"]) as supervised,
    ):
        done = discover(
            f"--ollama={ollama.url}",
            f"--vllm={vllm.url}/v1",
            f"--trtllm={trtllm.url}",
            f"--tf-iqa={iqa.url}",
            supervised.url,
            free_url,
        )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{free_url}/state does not answer: ")
    models = loaded(tmp_path, done.stdout)
    assert set(models) == {"acme-7b", "fine-vl", "dense", "tf-iqa", "supervised"}
    assert "is known as gemma3-12b" in done.stdout
    assert "is known as musiq-spaq" in done.stdout


def test_what_was_added_is_known_the_next_time(discover):
    with VllmDouble(model="acme/fine-vl") as double:
        first = discover(double.url)
        again = discover(double.url, registry=first.stdout)
    assert again.returncode == 0, again.stderr
    assert f"acme/fine-vl at {double.url} is known: it is fine-vl" in again.stdout
    assert "models:" not in again.stdout


def test_where_nobody_answers_the_command_fails(discover, free_url):
    done = discover("--vllm", free_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No server says what it has." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://user:word@127.0.0.1", "${HOST}", "gpu-box"])
def test_what_is_no_address_is_told(discover, url):
    done = discover(url)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
