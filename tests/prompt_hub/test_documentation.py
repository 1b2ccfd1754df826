"""docs/prompts.md: its commands run and what it says is so."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prompt_hub import filters
from prompt_hub.__main__ import app
from prompt_hub.errors import PromptHubError
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.store import PromptStore
from prompt_hub.schema import MAX_TEMPLATE_BYTES
from store.database import StateDatabase
from store.settings import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")


BLOCK = re.compile(
    r"(?:<!-- (?P<mark>not run|with a model|exit code 1): (?P<why>.+?) -->\n)?```console\n(?P<lines>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ (.+?(?:<<'END'\n.*?^END)?)$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def commands():
    """The commands that need no model and no environment, each with its exit code."""
    for block in BLOCK.finditer(GUIDE):
        if block["mark"] in (None, "exit code 1"):
            found = COMMAND.findall(block["lines"])
            # What is to fail is the last of its block.
            yield from ((command, 0) for command in found[:-1])
            yield found[-1], 0 if block["mark"] is None else 1


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


def run(command):
    """Exit code and what was said; a command of the hub's runs in this process."""
    if not command.startswith("python "):
        done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr
    program, option, module, *arguments = shlex.split(command)
    assert (program, option, module) == ("python", "-m", "prompt_hub")
    shown = CliRunner().invoke(app, arguments)
    error = shown.exception if isinstance(shown.exception, PromptHubError) else ""
    return shown.exit_code, shown.stdout, f"{shown.stderr}{error}"


def test_every_command_in_the_guide_runs_and_those_that_are_to_fail_do(newcomer):
    found = list(commands())
    assert len(found) >= 40
    assert [exit_code for _, exit_code in found].count(1) == 2
    told = ""
    for command, expected in found:
        exit_code, _, errors = run(command)
        assert (exit_code, "warning" in errors) == (expected, False), f"{command}\n{errors}"
        told += errors.replace(str(newcomer), "/home/me/photos") if expected else ""
    # What the guide shows of a mistake is what is said of it.
    (shown,) = [text for text in blocks("text") if "captoin" in text]
    assert shown.strip() in told
    assert "prompt has not passed: `python -m prompt_hub test birds --set prompt`" in told


def test_a_command_that_is_not_run_says_why():
    assert all(len(block["why"].split()) >= 4 for block in BLOCK.finditer(GUIDE) if block["mark"])


def test_the_label_ends_where_the_ten_minutes_say(newcomer):
    ten_minutes = GUIDE.partition("## What there is\n")[0]
    for command, _ in commands():
        if command in ten_minutes:
            run(command)
    with StateDatabase.open(Settings()) as database:
        store = PromptStore.over(database)
        first, second = reversed(store.revisions.history("birds"))
        assert store.labels.at("birds", "production") == first
        moves = [(move.to_hash, move.why) for move in store.labels.history("birds", "production")]
    assert moves == [
        (first.hash, "The first one"),
        (second.hash, "No guessed species"),
        (first.hash, "It says bird of everything"),
    ]
    assert first.profile.stage("caption").parameters["temperature"] == 0
    assert "plumage" in first.profile.stage("caption").system
    assert "Never guess a species." in second.profile.stage("caption").system


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
