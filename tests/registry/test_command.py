"""`python -m registry`: what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from at_terminal import unwrapped
from typer.testing import CliRunner

from registry.__main__ import app
from registry.registry import Registry

USER = """
roles: {judge: tiny-vlm}
models:
  tiny-vlm:
    aliases: ["[red]alias"]
    description: "[bold red]not markup[/]"
    roles: [judge, pairwise]
    capabilities:
      chat: {context_tokens: 16384, max_output_tokens: 4096, structured_output: true}
      vision: {max_images: 2, max_long_side: 1024}
    deployments:
      - {name: local, provider: vllm, base_url: "${TINY_URL:-http://127.0.0.1:24001}"}
""".replace('    aliases: ["[red]alias"]\n', "    aliases: [tiny]\n")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path))
    monkeypatch.delenv("TINY_URL", raising=False)
    monkeypatch.delenv("CHAT_PROXY_VLLM_BASE_URL", raising=False)
    (tmp_path / "registry.yaml").write_text(USER, encoding="utf-8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def as_process(*arguments, **environ):
    return subprocess.run(
        [sys.executable, "-m", "registry", *arguments],
        env=os.environ | environ,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_list_shows_models_roles_addresses_and_layers(home):
    text = run("list").stdout
    assert "http://127.0.0.1:24001" in text
    row = next(line for line in text.splitlines() if "tiny-vlm" in line)
    assert "user" in row
    assert "baseline-tagger" in text
    assert Registry.load(home / "registry.yaml").version[:12] in text


@pytest.fixture
def on_devices(home):
    path = home / "registry.yaml"
    said = ", devices: [gpu-0, studio], slots: 6}"
    text = USER.replace('24001}"}', f'24001}}"{said}')
    path.write_text(f"{text}devices:\n  studio: {{memory_mib: 24576}}\n", encoding="utf-8")
    return home


def test_list_shows_devices_and_slots_where_they_are_said(on_devices):
    text = run("list").stdout
    assert "http://127.0.0.1:24001 on gpu-0, studio, 6 at once" in text
    (row,) = [line for line in text.splitlines() if line.startswith("│ studio")]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "studio",
        "whole",
        "24,576 MiB",
        "",
        "tiny-vlm",
    ]


def test_list_says_nothing_of_devices_where_none_are_declared(home):
    assert "Declared devices" not in run("list").stdout


def test_inspect_shows_a_deployments_devices_and_slots(on_devices):
    rows = {
        line.split("│")[1].strip(): line.split("│")[2].strip()
        for line in run("inspect", "tiny").stdout.splitlines()
        if line.count("│") == 4
    }
    assert rows["deployments[0].devices"] == "gpu-0, studio"
    assert rows["deployments[0].slots"] == "6"


def test_resolve_shows_devices_and_slots(on_devices):
    assert "on gpu-0, studio, 6 at once" in run("resolve", "tiny").stdout


def test_inspect_shows_each_field_with_its_layer_and_no_markup(home):
    text = run("inspect", "tiny").stdout
    assert "[bold red]not markup[/]" in text
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if line.count("│") == 4}
    assert "user" in rows["capabilities.chat.context_tokens"]
    assert "default" in rows["placement.prefer"]
    assert Registry.load(home / "registry.yaml").model_revision("tiny") in text


def test_inspect_of_a_shipped_model_shows_its_address_here(home, monkeypatch):
    monkeypatch.setenv("CHAT_PROXY_VLLM_BASE_URL", "http://gpu:1/v1")
    text = run("inspect", "qwen2.5-vl-7b").stdout
    assert "${CHAT_PROXY_VLLM_BASE_URL:-http://imageworks-vllm:8600}" in text
    assert " http://gpu:1 " in text


def test_resolve_says_the_model_and_its_revision(home):
    text = run("resolve", "judge", "--need", "vision", "--need", "chat").stdout
    assert "tiny-vlm" in text
    assert Registry.load(home / "registry.yaml").model_revision("judge") in text
    assert "digest of its code" in run("resolve", "caption").stdout


@pytest.mark.parametrize("language", ["json", "yaml"])
def test_export_can_be_used_as_a_registry(home, tmp_path, language):
    text = run("export", "--format", language).stdout
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    assert Registry.load(path).version == Registry.load(home / "registry.yaml").version
    if language == "json":
        assert json.loads(text)["roles"]["judge"] == "tiny-vlm"


def test_validate_says_that_all_is_in_order(home):
    ended = run("validate")
    assert ended.exit_code == 0
    assert "in order: 8 models" in ended.stdout


def test_home_and_user_file_can_be_given(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    assert "7 models" in run("validate", "--home", str(other)).stdout
    assert "8 models" in run("validate", "--user-file", str(home / "registry.yaml")).stdout
    assert "8 models" in run("validate", str(home / "registry.yaml")).stdout


def test_a_broken_file_is_told_with_name_line_and_field(home):
    path = home / "broken.yaml"
    path.write_text("models:\n  gemma3-12b:\n    revison: x\n    roles: [juge]\n", encoding="utf-8")
    ended = as_process("validate", str(path))
    assert ended.returncode == 1
    first, second = ended.stderr.splitlines()
    assert first.startswith(f"{path}:4: models.gemma3-12b.roles[0]: must be 'judge'") or second.startswith(
        f"{path}:4: models.gemma3-12b.roles[0]: must be 'judge'"
    )
    assert f"{path}:3: models.gemma3-12b.revison: is no field here; did you mean revision? " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_validate_of_a_file_that_is_not_there_fails(home):
    ended = as_process("validate", "nowhere.yaml")
    assert ended.returncode == 2
    assert unwrapped("nowhere.yaml does not exist") in unwrapped(ended.stderr)


def test_validate_finds_addresses_that_leave_the_network_or_lack_a_variable(home):
    ended = as_process("validate", IMAGEWORKS_HOME=str(home), TINY_URL="https://models.example.com")
    assert ended.returncode == 1
    assert "tiny-vlm: the deployment local is at https://models.example.com, outside" in ended.stderr
    path = home / "needs.yaml"
    path.write_text(USER.replace(":-http://127.0.0.1:24001", ""), encoding="utf-8")
    ended = as_process("validate", str(path))
    assert ended.returncode == 1
    assert "TINY_URL is not set" in ended.stderr


def test_list_shows_what_an_address_lacks(home):
    path = home / "registry.yaml"
    path.write_text(USER.replace(":-http://127.0.0.1:24001", ""), encoding="utf-8")
    assert "vllm needs TINY_URL" in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resolve", "tiny-vml"), "Did you mean tiny-vlm"),
        (("resolve", "nima", "--need", "vision"), "These models can: baseline-judge"),
        (("inspect", "tiny-vml"), "Did you mean tiny-vlm"),
    ],
)
def test_a_wrong_choice_is_told_in_words_on_standard_error(home, arguments, words):
    ended = as_process(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_is_told_in_words(home):
    ended = as_process("list", IMAGEWORKS_CONCURRENCY="many")
    assert ended.returncode == 1
    assert "IMAGEWORKS_CONCURRENCY" in ended.stderr
    assert "Traceback" not in ended.stderr
