"""docs/operations.md and docs/migration.md: their commands run in order, and the pages build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import backends.errors
from registry.importing.abilities import _ROLES as ROLES
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings

ROOT = Path(__file__).parent.parent
OPERATIONS, MIGRATION = (
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("operations.md", "migration.md")
)
MODEL = {
    "name": "seeing_(FP8)",
    "backend": "vllm",
    "backend_config": {"host": "localhost", "port": 24001},
    "capabilities": {"vl": True},
    "roles": ["caption"],
}
STAGE = {
    "system": "You write.",
    "user_template": "Caption: {caption}",
    "max_new_tokens": 9,
    "expects_json": True,
}
PROMPTS = {"profiles": [{"id": 1, "name": "album", "caption_stage": STAGE}]}


def commands(page):
    return re.findall(r"^\$ (.+)$", page, re.MULTILINE)


def test_the_pages_build_without_a_link_that_leads_nowhere(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    pages = {page.stem for page in (tmp_path / "site").glob("*.html")}
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} <= pages


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]

    assert sorted(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)) == sorted(
        page.name for page in (ROOT / "docs").glob("*.md")
    )


def test_every_place_in_the_home_and_every_error_that_the_guide_names_is_there():
    home = Home(Path("/home"))
    places = set(
        re.findall(r"`([a-z]+)/`", OPERATIONS.partition("## Where things are")[2].partition("## ")[0])
    )
    kept = {
        one.name
        for one in (
            home.assets,
            home.manifests,
            home.telemetry,
            home.prompts,
            home.reports,
            home.dagster,
            home.locks,
            home.weights,
            home.cached_prompts.parent,
            home.thumbnail("a").parent.parent,
        )
    }
    assert kept <= places
    for name in re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", OPERATIONS.partition("## When something is wrong")[2]):
        assert hasattr(backends.errors, name), name
    for old, ours in ROLES.items():
        if ours != (old,):
            assert f"`{old}` becomes" in MIGRATION.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize("page", [OPERATIONS, MIGRATION], ids=["operations", "migration"])
def test_every_command_runs_in_order(tmp_path, page):
    (tmp_path / "model_registry.curated.json").write_text(json.dumps([MODEL]), encoding="utf-8")
    (tmp_path / "model_registry.discovered.json").write_text(json.dumps([MODEL]), encoding="utf-8")
    (tmp_path / "personal_tagger_prompts.user.json").write_text(json.dumps(PROMPTS), encoding="utf-8")
    (tmp_path / "competitions.toml").write_text('[competition.spring]\nnotes = "Mono"\n', encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("IMAGEWORKS_", "DAGSTER_"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    StateDatabase.open(Settings(home=tmp_path / ".imageworks")).close()
    listed = commands(page)
    for command in listed:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert len(listed) >= 5
