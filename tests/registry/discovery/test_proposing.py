"""What is proposed of what servers say: entries that load, whatever a server calls its models."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.discovery.proposing import propose
from registry.discovery.servers import FoundDevice, FoundModel, FoundServer
from registry.discovery.writing import yaml_of
from registry.registry import Registry

SHIPPED = Registry.load(None, environ={})


def server(*models, provider="vllm", url="http://127.0.0.1:8000", **more):
    found = tuple(FoundModel(served_model_id=one) if isinstance(one, str) else one for one in models)
    return FoundServer(url=url, provider=provider, words=f"a {provider}", models=found, **more)


@pytest.fixture
def load(tmp_path):
    def load(proposal):
        path = tmp_path / "registry.yaml"
        path.write_text(yaml_of(proposal), encoding="utf-8")
        return Registry.load(path, environ={})

    return load


def new(registry):
    return {name: model for name, model in registry.models.items() if name not in SHIPPED.models}


def test_a_new_model_becomes_an_entry_that_loads(load):
    found = FoundModel(served_model_id="acme/Fine-VLM-3B", context_tokens=32_768, root="/models/fine")
    proposal = propose([server(found)], SHIPPED)
    ((name, model),) = new(load(proposal)).items()
    assert name == "fine-vlm-3b"
    assert model.capabilities.chat.context_tokens == 32_768
    assert model.capabilities.vision is not None
    (deployment,) = model.deployments
    assert (deployment.provider, deployment.base_url) == ("vllm", "http://127.0.0.1:8000")
    assert (deployment.served_model_id, deployment.remote) == ("acme/Fine-VLM-3B", False)
    text = yaml_of(proposal)
    assert "# context_tokens as its server says; the rest is a guess" in text
    assert "# that it sees is a guess by its name" in text
    assert "# Its weights came from /models/fine." in text


def test_a_model_of_which_nothing_is_said_is_not_taken_to_see(load):
    proposal = propose([server("writer")], SHIPPED)
    (model,) = new(load(proposal)).values()
    assert (model.capabilities.vision, model.roles) == (None, ())
    assert "Whether it sees is not said" in yaml_of(proposal)


def test_what_ollama_says_of_a_model_is_learned(load):
    found = FoundModel(
        served_model_id="acme/fine:7b",
        chats=True,
        sees=True,
        context_tokens=131_072,
        file_bytes=8_149_190_253,
        weights="f4031aab637d",
    )
    proposal = propose([server(found, provider="ollama")], SHIPPED)
    (model,) = new(load(proposal)).values()
    assert model.name == "fine-7b"
    assert (model.capabilities.chat.context_tokens, model.revision) == (8192, "f4031aab637d")
    assert model.footprint.vram_mib == 8_149_190_253 * 6 // 5 // 2**20 + 1024
    assert "it can take 131072 tokens, and more take more memory" in yaml_of(proposal)
    assert "it sees, as its server says" in yaml_of(proposal)


def test_an_embedding_model_is_left_out():
    found = FoundModel(served_model_id="embedder", chats=False, sees=False)
    proposal = propose([server(found, provider="ollama")], SHIPPED)
    assert proposal.entries == []
    assert "does not chat" in proposal.left_out[0]


def test_a_model_that_the_registry_has_there_is_known(load):
    again = Registry.load(None, environ={"CHAT_PROXY_OLLAMA_BASE_URL": "http://localhost:11434"})
    proposal = propose([server("gemma3:12b", provider="ollama", url="http://127.0.0.1:11434")], again)
    assert proposal.entries == []
    assert proposal.known == ["gemma3:12b at http://127.0.0.1:11434 is known: it is gemma3-12b"]
    assert new(load(proposal)) == {}
    assert "# Nothing here is new to the registry." in yaml_of(proposal)


def test_a_model_that_the_registry_asks_elsewhere_is_said_to_be_known_with_what_to_do():
    proposal = propose([server("gemma3:12b", provider="ollama")], SHIPPED)
    assert proposal.entries == []
    assert "known as gemma3-12b, which is asked at ${CHAT_PROXY_OLLAMA_BASE_URL" in proposal.known[0]
    assert "base_url of its deployment ollama" in proposal.known[0]


def test_the_same_id_of_another_protocol_is_another_model():
    assert len(propose([server("gemma3:12b", provider="vllm")], SHIPPED).entries) == 1


def test_metrics_are_known_by_model_and_the_rest_is_one_new_model(load):
    found = FoundModel(
        served_model_id="tf-iqa",
        chats=False,
        metrics=("nima_aesthetic", "nima_technical", "musiq_spaq", "ava", "koniq"),
    )
    proposal = propose([server(found, provider="tf_iqa")], SHIPPED)
    assert [re.sub(r" at .* known as (\S+),.*", r": \1", words) for words in proposal.known] == [
        "musiq_spaq: musiq-spaq",
        "nima_aesthetic, nima_technical: nima-mobilenet",
    ]
    (model,) = new(load(proposal)).values()
    assert (model.capabilities.iqa.metrics, model.roles) == (("ava", "koniq"), ("iqa",))


def test_a_supervisors_device_is_declared_unless_the_registry_or_every_machine_has_it(load):
    device = FoundDevice("studio", "mig", 12_032, "MIG-0b3a", "1g.12gb")
    registry = load(propose([server("one", "two", device=device)], SHIPPED))
    assert registry.devices["studio"].mig_profile == "1g.12gb"
    assert [one.deployments[0].devices for one in new(registry).values()] == [("studio",), ("studio",)]
    own = propose([server("one", device=FoundDevice("gpu-0", "whole", 24_576))], SHIPPED)
    assert own.devices == {}
    assert new(load(own))["one"].deployments[0].devices == ("gpu-0",)


@pytest.mark.parametrize(
    "device",
    [
        FoundDevice("Studio!", "whole", 1),
        FoundDevice("a" * 65, "whole", 1),
        FoundDevice("studio", "half", 1),
        FoundDevice("studio", "whole", 1, "GPU 0"),
        FoundDevice("studio", "mig", 1, None, "12gb"),
    ],
)
def test_a_device_that_cannot_be_declared_is_not(load, device):
    (model,) = new(load(propose([server("one", device=device)], SHIPPED))).values()
    assert model.deployments[0].devices == ()


def test_a_server_outside_the_network_is_marked_and_said_to_be(load):
    proposal = propose([server("one", provider="openai", url="https://models.example.com")], SHIPPED)
    (model,) = new(load(proposal)).values()
    assert model.deployments[0].remote is True
    assert "only with IMAGEWORKS_ALLOW_REMOTE=true" in yaml_of(proposal)


@pytest.mark.parametrize(
    ("served", "name"),
    [
        ("judge", "judge-2"),
        ("gemma3-12b", "gemma3-12b-2"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl-7b-instruct"),
        ("tiny:latest", "tiny"),
        ("../../etc", "etc"),
        ("写真", "model"),
        ("a..__--b", "a.b"),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_name_is_made_of_an_id_and_is_nobody_elses(load, served, name):
    ((made, model),) = new(load(propose([server(served)], SHIPPED))).items()
    assert made == name
    assert model.deployments[0].served_model_id == served


def test_ids_that_give_one_name_get_two(load):
    assert list(new(load(propose([server("a/one", "b/one", "one")], SHIPPED)))) == ["one", "one-2", "one-3"]


@pytest.mark.parametrize("served", ["a\nb", "\x1b[2J", "x" * 257, "\ud800"])
def test_an_id_that_cannot_be_written_down_is_left_out(load, served):
    proposal = propose([server(served)], SHIPPED)
    assert proposal.entries == []
    assert "cannot be written down" in proposal.left_out[0]
    assert new(load(proposal)) == {}


@settings(max_examples=200)
@given(ids=st.lists(st.text(min_size=1, max_size=60), max_size=4), root=st.none() | st.text(max_size=60))
def test_whatever_a_server_calls_its_models_the_entries_load_and_say_just_that(tmp_path_factory, ids, root):
    found = [FoundModel(served_model_id=one, root=root, weights=root) for one in ids]
    proposal = propose([server(*found)], SHIPPED)
    path = tmp_path_factory.mktemp("said") / "registry.yaml"
    path.write_text(yaml_of(proposal), encoding="utf-8", newline="")
    loaded = new(Registry.load(path, environ={}))
    assert len(loaded) == len(proposal.entries)
    served = {model.deployments[0].served_model_id for model in loaded.values()}
    assert served == {one for one in ids if not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", one)}
