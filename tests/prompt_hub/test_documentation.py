"""docs/prompts.md: its commands run and what it says is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prompt_hub import filters
from prompt_hub.__main__ import app
from prompt_hub.hub import PromptHub
from prompt_hub.schema import MAX_TEMPLATE_BYTES

GUIDE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """An empty folder with the files that the guide shows."""
    monkeypatch.delenv("IMAGEWORKS_HOME", raising=False)
    # An editor that is closed at once.
    monkeypatch.setenv("VISUAL", "true")
    monkeypatch.chdir(tmp_path)
    for text in blocks("yaml"):
        file = tmp_path / re.match(r"# (\S+)\n", text)[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_every_command_in_the_guide_runs(newcomer):
    commands = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert len(commands) >= 7
    for command in commands:
        program, option, module, *arguments = shlex.split(command)
        assert (program, option, module) == ("python", "-m", "prompt_hub")
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, command
        assert "warning" not in done.stderr


def test_the_example_changes_what_the_guide_says_it_does(newcomer):
    birds = PromptHub.load(newcomer / ".imageworks" / "prompts").get("birds")
    assert "plumage" in birds.stage("caption").system
    assert birds.stage("caption").parameters["temperature"] == 0


def test_every_profile_filter_limit_and_command_is_in_the_guide():
    for profile in PromptHub.load(None).profiles.values():
        assert f"| `{profile.id}` |" in GUIDE
    assert f"`{' '.join(filters.FILTERS)}`" in GUIDE
    assert f"{filters.MAX_LOOP_TURNS:,} times" in GUIDE
    assert f"{filters.MAX_STEPS:,} steps" in GUIDE
    assert f"{filters.MAX_OUTPUT_CHARACTERS // 1024} Ki characters" in GUIDE
    assert f"{MAX_TEMPLATE_BYTES // 1024} KiB" in GUIDE
    for command in app.registered_commands:
        assert f"prompt_hub {command.name or command.callback.__name__}" in GUIDE
