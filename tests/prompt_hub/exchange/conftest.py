from __future__ import annotations

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app
from prompt_hub.exchange.reading import SourceFolder
from prompt_hub.hub import PromptHub
from prompt_hub.rendering import render
from prompt_hub.schema import PromptProfile


@pytest.fixture
def source(tmp_path):
    """Writes files into a folder of another tool's; the first one is the one that is read."""

    def make(files):
        folder = tmp_path / "theirs"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return SourceFolder(folder / next(iter(files)))

    return make


@pytest.fixture
def said():
    """The two messages of a carried profile's stage, with values put in."""

    def render_it(carried, values=None, stage=None):
        profile = PromptProfile.model_validate(carried.profile)
        rendered = render(profile, stage or next(iter(profile.stages)), values or {})
        return rendered.system, rendered.user

    return render_it


@pytest.fixture
def losses():
    """The account of a carried profile, a line a loss."""
    return lambda carried: "\n".join(map(str, carried.losses))


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("IMAGEWORKS_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def command(home):
    """Runs a command of the hub in an empty home; an error of ours is raised."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return run


@pytest.fixture
def hub(home):
    return lambda: PromptHub.load(home / "prompts")
