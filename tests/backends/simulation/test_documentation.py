"""The guide to devices is right: its workload can be played, and its commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from store.home import Home
from telemetry.catalog import connect

GUIDE = (Path(__file__).parents[3] / "docs" / "devices.md").read_text(encoding="utf-8")
(WORKLOAD,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
QUERIES = re.findall(r"^```sql\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", GUIDE, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_guide_runs(tmp_path, command):
    (tmp_path / "my-evening.yaml").write_text(WORKLOAD, encoding="utf-8")
    program, *arguments = command.split()
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ("turns" if "simulate" in arguments else "host") in done.stdout
    assert (tmp_path / "timeline.svg").exists() is ("--picture" in command)


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_guide_is_answered(tmp_path, query):
    with connect(Home(tmp_path / "home")) as connection:
        assert connection.execute(query).fetchall() == []
