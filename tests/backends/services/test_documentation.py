"""docs/supervisor.md: its configurations can be used, its commands run, and what it says is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from supervised import ROOT

from backends.services.supervision import configuration, errors
from backends.services.supervision.activation import State
from backends.services.supervision.app import FORWARDED, create_app
from backends.services.supervision.configuration import read_configuration
from backends.services.supervision.model_server import ModelServer
from backends.services.supervision.supervisor import Supervisor

GUIDE = (ROOT / "docs" / "supervisor.md").read_text(encoding="utf-8")
CONSOLE = re.compile(r"(<!-- not run: .+? -->\n)?```console\n(.*?)```", re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for not_run, block in CONSOLE.findall(GUIDE)
    if not not_run
    for line in block.splitlines()
]


@pytest.fixture
def files(tmp_path):
    """The configurations that the guide shows."""
    for text in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        (tmp_path / re.match(r"# (\S+)\n", text)[1]).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_runs(files, command):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=files,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "models" in done.stdout


def test_every_field_of_a_configuration_is_in_the_guide():
    for part in (
        configuration.Configuration,
        configuration.ServerCommand,
        configuration.DeviceDescription,
        configuration.Restarts,
        configuration.Watch,
    ):
        for name, field in part.model_fields.items():
            assert f"`{name}`" in GUIDE, name
            if isinstance(field.default, int | float):
                assert re.search(rf"`{name}` \({field.default:g}\)|{name}.*\({field.default:g}\)", GUIDE), (
                    name
                )


def test_every_state_is_in_the_guide():
    for state in State.__args__:
        assert f"| `{state}` |" in GUIDE


def test_every_route_is_in_the_guide(files):
    read = read_configuration(files / "tf-iqa.yaml")
    server = ModelServer(read.child_port)
    app = create_app(Supervisor(read, environ={}, is_healthy=server.is_healthy), server, key=None)

    for route in app.routes:
        if isinstance(route, APIRoute):
            (method,) = route.methods
            assert f"| `{method} {route.path}` |" in GUIDE
    for path in FORWARDED:
        assert f"`{path.replace('{path:path}', '*')}`" in GUIDE


def test_what_the_guide_says_of_refusals_is_so():
    codes = {
        (one.status, one.code)
        for one in vars(errors).values()
        if isinstance(one, type) and hasattr(one, "code")
    }
    named = {(int(status), code) for status, code in re.findall(r"([45]\d\d)\s+`([a-z_]+)`", GUIDE)}

    assert len(named) >= 6
    assert named <= codes
