"""Every command of the README and of the guides runs, or says why it is not run here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_photos import write_photo

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?```console\n(?P<commands>.*?)```", re.DOTALL)
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
]
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def blocks(text):
    return [(match["reason"], match["commands"]) for match in BLOCK.finditer(text)]


def commands_to_run(text):
    for reason, commands in blocks(text):
        if reason is None:
            yield from (line.removeprefix("$ ") for line in commands.splitlines() if line.startswith("$ "))


@pytest.fixture
def newcomers_folder(tmp_path):
    """What the README speaks of: two folders of photos, a rules file, an activated environment."""
    for number in range(3):
        write_photo(tmp_path / "my-entries" / f"Title {number} by Member {number}.jpg", seed=number)
        write_photo(tmp_path / "my-shoot" / f"IMG_{number}.jpg", seed=10 + number)
    shutil.copy(ROOT / "imageworks_dagster/demo/competition.toml", tmp_path / "my-competition.toml")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_readme_runs(newcomers_folder):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    registry = YAML.findall(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment.pop("DAGSTER_HOME", None)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    ran = 0
    for command in commands_to_run(text):
        if command.startswith("python -m registry"):
            (newcomers_folder / ".imageworks" / "registry.yaml").write_text(registry[0], encoding="utf-8")
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=newcomers_folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 9


def test_every_command_that_is_not_run_says_why():
    for reason, _ in blocks((ROOT / "README.md").read_text(encoding="utf-8")):
        assert reason is None or len(reason.split()) >= 4


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_every_guide_is_named_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert all(f"docs/{page.name}" in readme for page in (ROOT / "docs").glob("*.md"))
