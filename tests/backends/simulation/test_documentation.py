"""The guide to devices is right: its workload can be played, its model be added, and its commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lease_desk import asked, party, resident, served
from vllm_double import VllmDouble

from backends.leases.telling import Decisions
from backends.leases.turning import Told
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings, variable
from telemetry.catalog import connect
from telemetry.spool import Spool

GUIDE = (Path(__file__).parents[3] / "docs" / "devices.md").read_text(encoding="utf-8")
REGISTRY, WORKLOAD = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
QUERIES = re.findall(r"^```sql\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", GUIDE, re.MULTILINE)
PLAYED = [command for command in COMMANDS if "simulate" in command]
ASKED = [command for command in COMMANDS if "simulate" not in command]

URL = "http://127.0.0.1:8000"
HOLDER, TOKEN = "studio:4711:5f0c2b19", 17
SAYS = {
    "discover": ["tiny-vlm at", "is known"],
    "validate": ["The registry is in order"],
    "probe": ["tiny-vlm", "yes"],
    "leases": [HOLDER, str(TOKEN), "batch"],
    "release": ["1 lease has ended."],
}


def run(command, folder, **environ):
    program, *arguments = command.split()
    assert program == "python"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", PLAYED)
def test_every_workload_of_the_guide_can_be_played(tmp_path, command):
    (tmp_path / "my-evening.yaml").write_text(WORKLOAD, encoding="utf-8")
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "turns" in done.stdout
    assert (tmp_path / "timeline.svg").exists() is ("--picture" in command)


@pytest.fixture
def studio(tmp_path):
    """The home of the guide's model, with a lease, somebody who waits, and decisions; and its server."""
    home = Home(tmp_path / "home").create()
    model = served("tiny-vlm")
    with StateDatabase.open(Settings(home=home.root)) as database, Spool(home.spool) as spool:
        ledger = party(database, HOLDER, ttl_s=600)
        resident(ledger, model)
        ledger.raise_token(TOKEN - 1)
        taken = ledger.turn(enter=[asked("one", model)])
        assert taken.granted["one"].token == TOKEN
        party(database, "studio:4712:0a1b2c3d", ttl_s=600).turn(enter=[asked("two", model)])
        for kind in ("would_block", "take_over"):
            Decisions(spool, "observe", HOLDER)(Told(kind, "tiny-vlm", "as the guide says"))
    with VllmDouble(model="tiny-vlm") as server:
        home.registry.write_text(REGISTRY.replace(URL, server.url), encoding="utf-8")
        yield home, server.url


@pytest.mark.slow
@pytest.mark.parametrize("command", ASKED)
def test_every_command_of_the_guide_runs_and_says_what_the_guide_promises(studio, tmp_path, command):
    home, url = studio
    done = run(command.replace(URL, url), tmp_path, IMAGEWORKS_HOME=str(home.root))
    assert done.returncode == 0, done.stderr
    name = command.split()[3]
    promised = ["as the guide says"] if name == "decisions" else SAYS.get(name, ["host", "tiny-vlm"])
    for words in promised:
        assert words in done.stdout


def test_the_guides_registry_loads_and_its_model_is_on_the_device_that_it_declares(tmp_path):
    path = tmp_path / "registry.yaml"
    path.write_text(REGISTRY, encoding="utf-8")
    registry = Registry.load(path, environ={})
    assert registry.models["tiny-vlm"].deployments[0].devices == tuple(registry.devices)


def test_the_guide_names_the_modes_and_the_settings_with_their_defaults():
    rows = dict(re.findall(r"^\| `(IMAGEWORKS_LEASE_\w+)` \| (\S+) \|", GUIDE, re.MULTILINE))
    fields = {name: field for name, field in Settings.model_fields.items() if name.startswith("lease_")}
    assert rows == {variable(name): str(field.default) for name, field in fields.items()}
    modes = re.findall(r"^\| `(off|observe|enforce)` \|", GUIDE, re.MULTILINE)
    assert modes == ["off", "observe", "enforce"]


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_guide_is_answered(tmp_path, query):
    with connect(Home(tmp_path / "home")) as connection:
        assert connection.execute(query).fetchall() == []
