"""docs/gateway.md: its commands run, and it names every route and setting."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app import create_app
from store.settings import Settings, variable

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
TABLES = "\n".join(line for line in GUIDE.splitlines() if line.startswith("|"))


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL)


def test_every_route_is_in_the_guide_and_none_that_is_not_there():
    paths = create_app().openapi()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]+)`", TABLES)) == there


def test_every_setting_of_the_gateway_is_in_the_guide():
    named = set(re.findall(r"`(IMAGEWORKS_GATEWAY_[A-Z_]+)`", TABLES))
    assert named == {variable(name) for name in Settings.model_fields if name.startswith("gateway_")}


def test_the_requests_of_the_guide_are_answered(gateway):
    (requests,) = blocks("bash")
    script = requests.replace("http://127.0.0.1:8700", gateway.url)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout.count('"object":"chat.completion"') == 1
    assert done.stdout.rstrip().count("data: [DONE]") == 1
    assert '"error"' not in done.stdout


@pytest.mark.slow
def test_the_commands_of_the_guide_run(tmp_path):
    (commands,) = blocks("console")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment |= {
        "IMAGEWORKS_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
    }
    script = "\n".join(line.removeprefix("$ ") for line in commands.splitlines())
    done = subprocess.run(
        ["bash", "-euc", script], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.startswith("iw-")
    assert "Lightroom plug-in" in done.stdout
