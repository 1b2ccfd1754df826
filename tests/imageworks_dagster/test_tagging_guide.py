"""docs/tagging.md: its commands run, its vocabulary is one, and what it says of settings is so."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_photos import write_photo

from imageworks.personal_tagger.vocabulary_file import read_vocabulary
from store.settings import CONTEXT_KINDS, Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "tagging.md").read_text(encoding="utf-8")
((NAME, VOCABULARY),) = re.findall(r"<!-- file: (\S+) -->\n```\n(.*?)```", GUIDE, re.DOTALL)
BLOCKS = re.findall(r"(?:<!-- (not run): .+? -->\n)?```console\n(.*?)```", GUIDE, re.DOTALL)


def test_the_vocabulary_of_the_guide_means_what_the_guide_says():
    vocabulary = read_vocabulary(VOCABULARY)
    assert {term.path for term in vocabulary.terms} == {
        "Animals",
        "Animals|bird",
        "Animals|bird|heron",
        "boat",
        "harbor",
    }
    assert vocabulary.categories == ("WHAT",)
    assert vocabulary.forbidden == ("photography",)


def test_every_kind_of_context_is_in_the_guide_with_whether_it_is_told_from_the_start():
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", GUIDE, re.MULTILINE))
    first = Settings.model_fields["tag_context"].default.split(",")
    assert rows == {kind: "yes" if kind in first else "no" for kind in CONTEXT_KINDS}


@pytest.mark.slow
def test_the_guides_commands_run_one_after_the_other(tmp_path):
    for number in range(2):
        write_photo(tmp_path / "my-shoot" / f"IMG_{number}.jpg", seed=10 + number)
    (tmp_path / NAME).write_text(VOCABULARY, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment.pop("DAGSTER_HOME", None)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    commands = [
        line.removeprefix("$ ")
        for skipped, block in BLOCKS
        if not skipped
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert len(commands) >= 8
    for command in commands:
        if name := re.fullmatch(r"export (\w+)=(.*)", command):
            environment[name[1]] = name[2]
            continue
        if "--import" in command:
            _approve_all(tmp_path)
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if "--approved" in command:
            assert "Tags written into 2 files." in done.stdout


def _approve_all(folder):
    """What a person does between the two commands."""
    written = folder / ".imageworks" / "reports" / "tagger" / "my-shoot" / "review.csv"
    with written.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "review-decided.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, **{name: "approve" for name in row if name.endswith("_decision")}})
