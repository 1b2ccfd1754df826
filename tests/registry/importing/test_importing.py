"""The old JSON registry as a registry.yaml, and the account of every field of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from registry.__main__ import app
from registry.dumping import yaml_text
from registry.errors import RegistryFileError
from registry.importing.commands import imported_text
from registry.importing.translating import translate
from registry.registry import Registry
from store.import_report import ImportReport

SHARED = Path(__file__).parents[4] / "shared" / "data" / "legacy"


def entry(name, **fields):
    usual = {
        "backend": "vllm",
        "backend_config": {"host": "localhost", "port": 24001, "model_path": "/models/x", "extra_args": []},
        "capabilities": {"text": True, "vl": True, "audio": False},
        "generation_defaults": {"max_tokens": 512, "temperature": 0.2},
        "served_model_id": f"{name}-served",
        "roles": ["caption"],
        "role_priority": {},
        "deprecated": False,
    }
    return {"name": name, **usual, **fields}


@pytest.fixture
def imported(tmp_path):
    """Imports lists of entries, the last one as what was discovered: (registry, report's lines)."""

    def run(*layers):
        files = []
        for number, entries in enumerate(layers):
            layer = "discovered" if number and number == len(layers) - 1 else f"curated{number}"
            files.append(tmp_path / f"model_registry.{layer}.json")
            files[-1].write_text(json.dumps(entries), encoding="utf-8")
        report = ImportReport("old")
        made = tmp_path / "registry.yaml"
        made.write_text(imported_text(files[::-1], report), encoding="utf-8")
        return Registry.load(made), "\n".join(report.lines())

    return run


def test_what_was_discovered_replaces_what_was_curated_whatever_the_order_of_the_files(imported):
    registry, told = imported(
        [entry("see_(FP8)", served_model_id="older")], [entry("see_(FP8)", served_model_id="newer")]
    )

    model = registry.resolve("see_(FP8)")
    assert model.name == "see_fp8"
    assert [one.served_model_id for one in model.deployments] == ["newer"]
    assert "replaces" in told


def test_any_synonym_of_seeing_sees_and_the_one_of_highest_priority_has_the_role(imported):
    registry, told = imported(
        [
            entry("first", capabilities={"mm": True}, roles=["narration"], role_priority={"narration": 10}),
            entry("second", roles=["description", "vision_general"], role_priority={"description": 80}),
            entry("retired", roles=["description"], role_priority={"description": 99}, deprecated=True),
            entry("blind", capabilities={"text": True}, roles=["caption"]),
        ]
    )

    assert registry.resolve("description").name == "second"
    assert registry.resolve("judge").name == registry.resolve("pairwise").name == "second"
    assert registry.resolve("caption").name == "baseline-tagger"
    assert registry.models["first"].can("vision")
    assert registry.models["retired"].deprecated
    assert not registry.models["blind"].can("vision")
    assert "narration: is description" in told


def test_what_the_server_was_told_bounds_the_model_and_the_rest_of_it_is_named(imported):
    config = {
        "host": "gpu.example.org",
        "port": 8000,
        "model_path": "/models/x",
        "extra_args": [
            "--max-model-len",
            "4096",
            "--max-num-seqs=3",
            "--gpu-memory-utilization",
            "0.7",
            "--trust",
        ],
    }
    registry, told = imported(
        [
            entry(
                "x",
                backend="lmdeploy",
                backend_config=config,
                generation_defaults={"context_window": 9000, "max_tokens": 5000},
            )
        ]
    )

    model = registry.models["x"]
    assert model.capabilities.chat.context_tokens == 4096
    assert model.parameters.defaults["max_output_tokens"] == 4096
    (deployment,) = model.deployments
    assert (deployment.provider, deployment.slots, deployment.remote) == ("openai", 3, True)
    assert deployment.base_url == "http://gpu.example.org:8000"
    dropped = [line for line in told.splitlines() if line.startswith("  dropped")]
    for named in ("--gpu-memory-utilization 0.7", "--trust", "backend_config.model_path"):
        assert any(named in line for line in dropped)


def test_models_that_nothing_here_could_use_are_left_out_with_the_reason(imported):
    registry, told = imported(
        [
            entry("e", capabilities={"embedding": True}),
            entry("n", backend="other"),
            entry("u", backend_config={"host": "a b"}),
        ]
    )

    assert registry.models.keys() == Registry.load(None).models.keys()
    assert told.count("is left out") == 3


def test_a_name_that_a_shipped_model_has_is_another_models_here(imported):
    registry, told = imported([entry("gemma3-12b", model_aliases=["gemma3", "mine"])])

    assert registry.resolve("gemma3-12b").deployments[0].provider == "ollama"
    assert registry.resolve("mine").name == "gemma3-12b-2"
    assert "gemma3 is the name of another model" in told


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def likely(*values):
    return st.sampled_from(values) | anything


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).filter(str.strip),
        st.fixed_dictionaries(
            {
                "backend": likely("vllm", "ollama", "lmdeploy"),
                "backend_config": st.fixed_dictionaries(
                    {
                        "host": likely("localhost", "::1", "10.0.0.1"),
                        "port": likely(1, 8000),
                        "extra_args": likely(["--max-model-len", "8"], ["-", "--", "=", "--max-num-seqs"]),
                    }
                ),
                "capabilities": likely({"vl": True}, {"text": 1}, {}),
                "generation_defaults": likely(
                    {"max_tokens": 10**9, "top_k": 2.0, "context_window": 1},
                    {"stop_sequences": ["x"], "seed": True},
                ),
                "roles": likely(["caption", "vision_general"]),
                "role_priority": likely({"caption": 1}),
                "model_aliases": likely(["judge", "nima", "a b", "x"]),
                "served_model_id": anything,
                "quantization": anything,
                "artifacts": anything,
                "display_name": anything,
            }
        ),
        max_size=3,
    )
)
def test_whatever_the_entries_hold_what_comes_of_them_loads(tmp_path_factory, entries):
    report = ImportReport("old")
    content = translate(entries, {"gemma3", "nima"}, report)
    made = tmp_path_factory.getbasetemp() / "made.yaml"
    made.write_text(yaml_text(content) if content else "", encoding="utf-8", errors="surrogatepass")

    Registry.load(made)
    assert all(line.isprintable() for line in report.lines())


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '[{"name": "a"}, {"name": "a"}]', "[", '[{"name": "a", "name": "b"}]']
)
def test_a_file_that_is_no_list_of_named_entries_is_refused(tmp_path, text):
    file = tmp_path / "old.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(RegistryFileError, match=r"old\.json"):
        imported_text([file], ImportReport("old"))


def test_the_command_writes_over_nothing_and_its_report_is_not_in_what_it_writes(tmp_path):
    file, made = tmp_path / "model_registry.json", tmp_path / "registry.yaml"
    file.write_text(json.dumps([entry("x")]), encoding="utf-8")

    shown = CliRunner().invoke(app, ["import", str(file)])
    written = CliRunner().invoke(app, ["import", str(file), "--output", str(made)])
    again = CliRunner().invoke(app, ["import", str(file), "--output", str(made)])

    assert shown.exit_code == written.exit_code == 0
    assert shown.stdout == made.read_text(encoding="utf-8")
    assert "1 dropped" in shown.stderr
    assert again.exit_code != 0


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared examples are not beside this checkout")
def test_the_shared_examples_come_over_with_their_roles():
    report = ImportReport("old")
    text = imported_text(sorted(SHARED.glob("model_registry.*.json")), report)

    assert "judge: qwen3-vl-8b-instruct_fp8" in text
    assert {note.subject for note in report.notes} >= {"florence-2-large_(FP16)", "gemma3_27.0b_(Q3_K_M)"}
