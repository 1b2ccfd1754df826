"""The guide to models is right: its files load, and its commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import RegistryFileError
from registry.parameters import CANONICAL
from registry.registry import Registry
from registry.schema import PROVIDERS, ROLES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def runs():
    """Each command with the latest file above it."""
    file = ""
    for language, text in BLOCKS:
        if language == "yaml":
            file = text
        elif language == "console":
            for line in text.splitlines():
                assert line.startswith("$ "), line
                yield file, line[2:]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "yaml"])
def test_every_file_in_the_guide_loads_in_a_bare_environment(tmp_path, text):
    path = tmp_path / "registry.yaml"
    path.write_text(text, encoding="utf-8")
    assert "user" in Registry.load(path, environ={}).provenance.values()


@pytest.mark.parametrize(("file", "command"), list(runs()))
@pytest.mark.slow
def test_every_command_in_the_guide_runs(home, file, command):
    home.mkdir()
    (home / "registry.yaml").write_text(file, encoding="utf-8")
    program, *arguments = command.split()
    assert program == "python"
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={"IMAGEWORKS_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout


def test_the_error_in_the_guide_is_the_error_that_is_told(tmp_path):
    shown = next(text for language, text in BLOCKS if language == "text").strip()
    path = tmp_path / "registry.yaml"
    first = next(text for language, text in BLOCKS if language == "yaml")
    path.write_text(first.replace("context_tokens", "context_token"), encoding="utf-8")
    with pytest.raises(RegistryFileError) as caught:
        Registry.load(path)
    assert str(caught.value).startswith(f"{path.parent}/{shown}")


def test_the_guide_names_every_role_and_the_rules_hold_in_it():
    for role in ROLES:
        assert f"`{role}`" in GUIDE
    for _, text in BLOCKS:
        for provider in re.findall(r"provider: (\w+)", text):
            assert provider in PROVIDERS
        for allowed in re.findall(r"allowed: \[(.*?)\]", text):
            assert set(allowed.split(", ")) <= set(CANONICAL)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["judge", "tag"])
def test_a_model_is_chosen_on_the_command_as_the_guide_says(command):
    assert f"imageworks {command} FOLDER --model tiny-vlm" in GUIDE
    script = f"import sys; sys.argv = ['imageworks', '{command}', '--help']\n"
    script += "from imageworks_dagster.command import main\nmain()\n"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert "--model" in ended.stdout
