"""What the registry claims, tried at servers that are otherwise: each lie is one sentence that says what to change."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import iqa_double
import ollama_double
import pytest
import vllm_double
from client_desk import model_at
from iqa_double import IqaDouble
from ollama_double import OllamaDouble
from trtllm_double import TrtllmDouble
from vllm_double import Http, VllmDouble

from backends.probing import probe_all
from registry.registry import Registry
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect

pytestmark = pytest.mark.anyio

CHAT = {"context_tokens": 16_384, "max_output_tokens": 4096, "structured_output": True}
COLOR = "Which color"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", connect_timeout_s=2, first_byte_timeout_s=10)


@pytest.fixture
def tried(settings):
    """Probes one model; gives what holds, by claim, and the sentences about what does not."""

    async def tried(model, **changes):
        registry = Registry.load(None, environ={})
        (probed,) = await probe_all([model], settings.model_copy(update=changes), registry)
        return {trial.claim: trial.holds for trial in probed.trials}, probed.mismatches

    return tried


def writer(url, provider="vllm", *, vision=2, **deployment):
    capabilities = {"chat": CHAT}
    if vision:
        capabilities["vision"] = {"max_images": vision, "max_long_side": 1024}
    return model_at(url, capabilities=capabilities, deployment={"provider": provider, **deployment})


def measurer(url, *metrics):
    return model_at(url, capabilities={"iqa": {"metrics": metrics}}, deployment={"provider": "tf_iqa"})


async def test_where_all_is_as_claimed_nothing_is_said(tried):
    with VllmDouble() as double:
        holds, sentences = await tried(writer(double.url))
    assert holds == {
        "answers": True,
        "serves": True,
        "chats": True,
        "sees": True,
        "pictures": True,
        "schema": True,
    }
    assert sentences == ()
    assert [len(asked.pictures) for asked in double.history] == [0, 0, 1, 2, 0]


async def test_what_is_not_claimed_is_not_tried(tried):
    model = model_at("http://unused.test", capabilities={"chat": {**CHAT, "structured_output": False}})
    with VllmDouble() as double:
        model = model.model_copy(update={"deployments": writer(double.url).deployments})
        holds, sentences = await tried(model)
    assert list(holds) == ["answers", "serves", "chats"]
    assert sentences == ()


async def test_each_deployment_is_tried_by_itself(settings):
    registry = Registry.load(None, environ={})
    with VllmDouble() as good, VllmDouble(model="another") as bad:
        deployments = (
            *writer(good.url, name="good").deployments,
            *writer(bad.url, name="bad").deployments,
        )
        model = writer(good.url).model_copy(update={"deployments": deployments})
        probed = await probe_all([model], settings, registry)
    assert [(one.deployment, len(one.mismatches)) for one in probed] == [("good", 0), ("bad", 1)]


async def test_a_server_that_is_not_there_is_told_with_what_to_do(tried):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
        holds, (sentence,) = await tried(writer(url))
    assert holds == {"answers": False}
    assert sentence.startswith(f"Deployment 'only' of model 'double': the registry has its server at {url}, ")
    assert sentence.endswith("Start it, or correct base_url.")


async def test_a_model_that_the_server_does_not_have_is_told_with_those_that_it_has(tried):
    with VllmDouble(model="another") as double:
        holds, (sentence,) = await tried(writer(double.url))
        assert double.history == []
    assert holds == {"answers": True, "serves": False}
    assert "does not serve 'double-vlm'; it serves another." in sentence
    assert sentence.endswith("or correct served_model_id in the registry.")


async def test_a_server_outside_the_network_is_not_asked_without_consent(tried):
    _, (sentence,) = await tried(writer("https://models.example.com", remote=True))
    assert "IMAGEWORKS_ALLOW_REMOTE=true" in sentence


async def test_a_key_that_is_missing_is_told(tried):
    _, (sentence,) = await tried(writer("http://127.0.0.1:1", api_key_env="NO_SUCH_KEY"))
    assert "NO_SUCH_KEY, which is not set" in sentence


async def test_a_chat_that_fails_is_told_and_no_more_is_tried(tried):
    with VllmDouble(faults=[Http(500, message="the engine is dead")]) as double:
        holds, (sentence,) = await tried(writer(double.url))
        assert len(double.history) == 1
    assert holds["chats"] is False
    assert "the registry claims capabilities.chat, but a short question fails: " in sentence
    assert "the engine is dead. Mend the server." in sentence


async def test_an_answer_that_is_cut_off_is_an_answer(tried):
    cut = vllm_double.Says("Let me think", finish_reason="length")
    with VllmDouble(faults=[cut]) as double:
        holds, sentences = await tried(writer(double.url))
    assert holds["chats"] is True
    assert sentences == ()


async def test_a_model_that_refuses_pictures_does_not_see(tried):
    faults = {COLOR: [vllm_double.Says("Which picture?"), Http(400, message="this model is text only")]}
    with VllmDouble(faults_by_text=faults) as double:
        holds, (sentence,) = await tried(writer(double.url))
    assert (holds["sees"], holds["schema"]) == (False, True)
    assert "the registry claims capabilities.vision, but a question with a picture fails: " in sentence
    assert (
        "this model is text only. Start the server with a model that sees, or take the block out." in sentence
    )


async def test_a_model_that_answers_without_looking_does_not_see(tried):
    with OllamaDouble(pulled={"double-vlm": None}) as double:
        holds, (sentence,) = await tried(writer(double.url, "ollama", vision=1))
    assert (holds["sees"], holds["schema"]) == (False, True)
    assert "asked for the color of a red picture, it says " in sentence
    assert "it was not looked at. Serve a model that sees, or take the block out." in sentence


@pytest.mark.parametrize(
    ("blind", "seeing"), [("Hm.", "The image could not be rendered."), ("Red, I guess.", "Red, I guess.")]
)
async def test_letters_in_a_word_or_a_guess_are_no_look_at_the_picture(tried, blind, seeing):
    says = ollama_double.Says
    with OllamaDouble(
        pulled={"double-vlm": None}, faults=[says("Hello."), says(blind), says(seeing)]
    ) as double:
        holds, _ = await tried(writer(double.url, "ollama", vision=1))
    assert holds["sees"] is False


async def test_a_model_that_names_the_color_sees_whatever_is_counted(tried):
    says = ollama_double.Says
    with OllamaDouble(
        pulled={"double-vlm": ["completion", "vision"]}, faults=[says("Hello."), says("Gray?"), says("Red.")]
    ) as double:
        holds, sentences = await tried(writer(double.url, "ollama", vision=1))
    assert holds["sees"] is True
    assert sentences == ()


async def test_a_model_that_ollama_says_cannot_see_is_told_before_it_is_asked(tried):
    with OllamaDouble(pulled={"double-vlm": ["completion"]}) as double:
        holds, (sentence,) = await tried(writer(double.url, "ollama"))
        assert double.history == []
    assert holds["serves"] is False
    assert "Take the vision block out of the registry" in sentence


async def test_a_limit_of_one_picture_is_told_where_the_registry_says_more(tried):
    faults = {COLOR: [vllm_double.Slow(0), vllm_double.Slow(0), Http(400, message="At most 1 image")]}
    with VllmDouble(faults_by_text=faults) as double:
        holds, (sentence,) = await tried(writer(double.url, vision=2))
    assert (holds["sees"], holds["pictures"]) == (True, False)
    assert "the registry claims max_images: 2, but a question with 2 pictures fails" in sentence
    assert "--limit-mm-per-prompt), or set max_images: 1." in sentence


async def test_a_server_that_takes_a_schema_and_answers_with_free_text_is_told(tried):
    with TrtllmDouble(guided=False) as double:
        holds, (sentence,) = await tried(writer(double.url, "trtllm"))
    assert holds["schema"] is False
    assert "the registry claims structured_output: true, but an answer with a schema misses it" in sentence
    assert sentence.endswith(
        "Put guided_decoding_backend: xgrammar into the server's configuration, or set structured_output: false."
    )


async def test_a_server_that_holds_to_the_schema_is_as_claimed(tried):
    with TrtllmDouble() as double:
        holds, sentences = await tried(writer(double.url, "trtllm"))
    assert holds["schema"] is True
    assert sentences == ()


async def test_json_that_misses_the_schema_misses_it(tried):
    with VllmDouble(faults_by_text={"the sea": [vllm_double.Says('{"sentences": []}')]}) as double:
        holds, (sentence,) = await tried(writer(double.url))
    assert holds["schema"] is False
    assert "disable_any_whitespace" in sentence


async def test_a_measurers_metrics_are_tried(tried):
    with IqaDouble() as double:
        holds, sentences = await tried(measurer(double.url, "nima_aesthetic", "musiq_spaq"))
    assert holds == {"answers": True, "serves": True, "metrics": True}
    assert sentences == ()


async def test_a_metric_that_the_worker_does_not_have_is_told(tried):
    with IqaDouble(metrics=("musiq_spaq",)) as double:
        holds, (sentence,) = await tried(measurer(double.url, "nima_aesthetic", "musiq_spaq"))
    assert holds["serves"] is False
    assert "--metrics nima_aesthetic among others" in sentence


async def test_a_metric_that_fails_is_told_by_name(tried):
    with IqaDouble(broken=["musiq_spaq"]) as double:
        holds, (sentence,) = await tried(measurer(double.url, "nima_aesthetic", "musiq_spaq"))
    assert holds["metrics"] is False
    assert (
        "claims metrics: [musiq_spaq], but it does not give it of a picture: musiq_spaq failed." in sentence
    )


async def test_a_worker_that_gives_nothing_is_told(tried):
    with IqaDouble(faults=[iqa_double.Refuses(500)]) as double:
        _, (sentence,) = await tried(measurer(double.url, "musiq_spaq"))
    assert "Start the worker with it, or take it out of metrics." in sentence


async def test_embedded_models_are_left_out(settings):
    registry = Registry.load(None, environ={})
    assert await probe_all([registry.resolve("baseline-judge")], settings, registry) == ()


REGISTRY = """
roles: {judge: liar}
models:
  liar:
    aliases: [trt]
    roles: [judge]
    capabilities:
      chat: {context_tokens: 16384, max_output_tokens: 4096, structured_output: true}
    deployments:
      - {name: only, provider: trtllm, base_url: "URL", served_model_id: double-vlm}
"""


@pytest.fixture
def backends(tmp_path):
    def run(url, *arguments, registry=REGISTRY, **environ):
        (tmp_path / "registry.yaml").write_text(registry.replace("URL", url), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "backends", "probe", *arguments],
            env={**os.environ, "IMAGEWORKS_HOME": str(tmp_path), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.slow
def test_the_command_shows_what_holds_and_tells_each_mismatch_in_a_line(backends):
    with TrtllmDouble(guided=False) as double:
        done = backends(double.url, "trt")
        told = backends(double.url, "--json", "judge")
    assert done.returncode == 1
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "liar",
        "only (trtllm)",
        *("yes", "yes", "yes", "", "", "no", ""),
    ]
    (line,) = done.stderr.splitlines()
    assert "structured_output: true" in line
    assert told.returncode == 1
    (probed,) = json.loads(told.stdout)
    assert {trial["claim"]: trial["holds"] for trial in probed["trials"]}["schema"] is False


def test_the_command_succeeds_where_all_is_as_claimed(backends):
    with TrtllmDouble() as double:
        done = backends(double.url, "liar")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_command_says_where_there_is_nothing_to_try_and_what_is_unknown(backends):
    done = backends("http://127.0.0.1:1", "baseline-judge")
    assert done.returncode == 0
    assert "Nothing to try" in done.stdout
    done = backends("http://127.0.0.1:1", "lair")
    assert done.returncode == 1
    assert "Did you mean liar?" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_leases_are_enforced_the_model_is_loaded_and_asked_under_one(backends, tmp_path):
    registry = REGISTRY.replace("provider: trtllm", "provider: ollama, devices: [host]")
    with OllamaDouble(pulled={"double-vlm": ["completion"]}) as double:
        done = backends(double.url, "liar", registry=registry, IMAGEWORKS_LEASES="enforce")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in row.split("│")[3:-1]] == ["", "yes", "yes", "", "", "yes", ""]
    assert double.loads == 1
    with connect(Home(tmp_path)) as catalog:
        kinds = catalog.execute("SELECT DISTINCT kind FROM decisions ORDER BY kind").fetchall()
    assert {"grant", "load", "loaded"} <= {kind for (kind,) in kinds}
