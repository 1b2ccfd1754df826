"""docs/gateway.md, docs/settings.md and docs/security.md say all there is, and their examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_photos import write_photo
from served_gateway import Gateway, registry_of
from vllm_double import VllmDouble

from gateway.app import create_app
from store.settings import Settings, variable

ROOT = Path(__file__).parent.parent
GATEWAY = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table_with_its_meaning(name):
    (row,) = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{variable(name)}` |")]
    assert row.endswith(f"| {Settings.model_fields[name].description} |")


def test_every_setting_of_the_gateway_is_in_its_guide():
    for name in Settings.model_fields:
        if name.startswith("gateway_"):
            assert f"| `{variable(name)}` |" in GATEWAY


def test_every_route_is_in_the_guide(tmp_path):
    for path, methods in create_app(settings=Settings(home=tmp_path)).openapi()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in GATEWAY


def test_every_defense_names_files_that_are_there():
    named = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", SECURITY)
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_commands_run_or_say_why_they_do_not(tmp_path):
    environ = {
        **os.environ,
        "IMAGEWORKS_HOME": str(tmp_path / "home"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    blocks = re.findall(r"(<!-- not run: .+? -->\n)?```console\n(.*?)```", GATEWAY, re.DOTALL)
    for reason, commands in blocks:
        for command in [] if reason else re.findall(r"^\$ (.+)$", commands, re.MULTILINE):
            subprocess.run(
                ["bash", "-euc", command], cwd=tmp_path, env=environ, check=True, capture_output=True
            )
    assert len(blocks) == 3


@pytest.mark.parametrize("language", ["bash", "python"])
def test_the_examples_run(tmp_path, language):
    if language == "bash" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (example,) = re.findall(rf"```{language}\n(.*?)```", GATEWAY, re.DOTALL)
    write_photo(tmp_path / "photo.jpg", seed=1)
    with VllmDouble() as double:
        gateway = Gateway(tmp_path / "home", registry_of(double.url))
        environ = {**os.environ, "IMAGEWORKS_KEY": gateway.key_of("ann")}
        with gateway:
            program = ["bash", "-euc"] if language == "bash" else [sys.executable, "-c"]
            done = subprocess.run(
                [*program, example.replace("http://127.0.0.1:8700", gateway.url)],
                cwd=tmp_path,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
    assert done.returncode == 0, done.stderr
    assert done.stdout
