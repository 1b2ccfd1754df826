"""`python -m backends devices|leases|decisions|release`: what the ledger and telemetry say, and how a lease ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from lease_desk import asked, party, resident

from backends.leases.records import KeptWaiter
from backends.leases.state import Place, Waiter
from backends.leases.taking import Asked
from backends.leases.telling import Decisions
from backends.leases.turning import Told
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from telemetry.spool import Spool

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def database(home):
    with StateDatabase.open(Settings(home=home.root)) as database:
        yield database


@pytest.fixture
def backends(nvml, home):
    """Runs the command line on a host without cards."""
    nvml["driver.init"] = "not loaded"

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "backends", *arguments],
            env={**nvml.environment, "IMAGEWORKS_HOME": str(home.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def rows(text, heading):
    """The rows of the table with this first heading, as cells; a row of several lines is several."""
    tables = text.split("┏")[1:]
    table = next(table for table in tables if table.split("┃")[1].strip() == heading)
    lines = [line for line in table.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]


@pytest.fixture
def held(database):
    """A judge that is ready, a lease on it, and two who wait."""
    one, two = party(database, "box:1:a"), party(database, "box:2:b")
    resident(one)
    one.turn(enter=[asked("a", priority="interactive")])
    two.turn(enter=[asked("b"), asked("c")])
    return one


def test_devices_shows_what_the_ledger_has_beside_this_hosts_readings(backends, held):
    done = backends("devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row[0] for row in rows(done.stdout, "name")] == ["host"]
    (row,) = rows(done.stdout, "leased device")
    assert row[:2] == ["gpu0 (whole)", "16,000 of 24,000 MiB"]
    assert row[2].startswith("judge (only) ready for ")
    assert row[2].endswith(", 1 of 1 leases")
    assert row[3] == ""
    assert row[4].startswith("2 batch for judge, up to ")
    assert row[4].endswith("by box:2:b")


def test_devices_shows_what_is_being_done_and_by_whom(backends, database):
    party(database, "box:1:a").turn(enter=[asked("a")])
    (row,) = rows(backends("devices").stdout, "leased device")
    assert row[2].startswith("judge (only) loading for ")
    assert row[3].startswith("load judge for ")
    assert row[3].endswith(", by box:1:a")


def test_devices_says_all_of_it_to_programs(backends, held):
    told = json.loads(backends("devices", "--json").stdout)
    assert [device["name"] for device in told["devices"]] == ["host"]
    (leased,) = told["leased"]
    assert leased["residents"][0]["state"] == "ready"
    assert [one["waiter"] for one in leased["waiters"]] == ["b", "c"]


def test_leases_are_a_table_with_who_waits_below(backends, held):
    done = backends("leases")
    (lease,) = rows(done.stdout, "token")
    assert lease[1:6] == ["judge", "only", "gpu0", "interactive", "box:1:a"]
    assert [row[:4] for row in rows(done.stdout, "waiter")] == [
        ["b", "judge", "batch", "box:2:b"],
        ["c", "judge", "batch", "box:2:b"],
    ]


def test_leases_says_all_of_it_to_programs(backends, held):
    told = json.loads(backends("leases", "--json").stdout)
    assert [lease["holder"] for lease in told["leases"]] == ["box:1:a"]
    assert [waiter["waiter"] for waiter in told["waiters"]] == ["b", "c"]


def test_where_nothing_was_ever_leased_that_is_said(backends, home):
    assert backends("leases").stdout == "There are no leases.\nNobody waits.\n"
    assert backends("decisions").stdout == "No such decisions yet.\n"
    assert backends("release", "--all", "--yes").stdout == "There are no leases.\n"
    assert not home.state_db.exists()


def test_a_released_lease_is_lost_to_its_holder(backends, held, database):
    (token,) = held.renew()
    done = backends("release", str(token), "--yes")
    assert done.returncode == 0, done.stderr
    assert "1 lease has ended. Whoever waits next has the server refuse what still comes" in done.stdout
    assert held.renew() == frozenset()
    assert "has run out" in backends("leases").stdout


def test_leases_are_released_by_holder(backends, held):
    assert backends("release", "--holder", "box:1:a", "--yes").returncode == 0
    assert held.renew() == frozenset()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say which leases"),
        (["--yes"], "Say which leases"),
        (["--all", "7"], "give it alone"),
        (["--holder", "nobody:0", "--yes"], "nobody:0 holds no lease; those who do: box:1:a."),
        (["999", "--yes"], "no lease with token 999"),
        (["--all"], "Nothing was released. Say --yes as well"),
    ],
)
def test_a_release_without_a_choice_or_without_yes_ends_nothing(backends, held, arguments, words):
    done = backends("release", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(held.renew()) == 1


@pytest.fixture
def decided(home):
    place = Place("judge", "vllm", "gpu-0")
    waiter = KeptWaiter(Waiter("w", "judge", "batch", 0.0), "box:2:b", 0.0, Asked("w", "batch", None).served)
    with Spool(home.spool) as spool:
        tell = Decisions(spool, "enforce", "box:1:a")
        tell(Told("load", "judge", "nobody serves it, and gpu-0 has room", place, waiter))
        tell(Told("loaded", "judge", "it answers", place), 61.0)
        Decisions(spool, "observe", "box:1:a")(Told("would_block", "chat", "[red]all slots are taken"))


def test_the_last_decisions_are_a_table_with_reasons_the_newest_last(backends, decided):
    done = backends("decisions")
    assert done.returncode == 0, done.stderr
    told = rows(done.stdout, "decided at (UTC)")
    assert [row[1] for row in told] == ["load", "loaded", "would block (observed)"]
    assert told[0][2:4] == ["judge", "vllm on gpu-0"]
    assert told[0][4].startswith("batch of box:2:b, waited ")
    assert [row[5] for row in told] == [
        "nobody serves it, and gpu-0 has room",
        "it answers",
        "[red]all slots are taken",
    ]
    assert [row[6] for row in told] == ["", "1 min 1 s", ""]


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (["--last", "1"], ["would_block"]),
        (["--model", "judge"], ["load", "loaded"]),
        (["--kind", "loaded"], ["loaded"]),
        (["--model", "chat", "--kind", "load"], []),
    ],
)
def test_decisions_are_chosen_and_told_to_programs(backends, decided, arguments, kinds):
    told = json.loads(backends("decisions", "--json", *arguments).stdout)
    assert [row["kind"] for row in told] == kinds
    assert all(row["decided_at"].endswith("Z") for row in told)


@pytest.mark.parametrize("command", ["devices", "leases", "release"])
def test_a_database_that_cannot_be_read_is_told_in_words(backends, home, command):
    home.root.mkdir()
    home.state_db.write_bytes(b"not a database" * 100)
    done = backends(command, *(["--all"] if command == "release" else []))
    assert done.returncode == 1
    assert str(home.state_db) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["devices", "leases", "decisions", "release"])
def test_help_tells_what_one_does_with_it(backends, command):
    text = " ".join(backends(command, "--help").stdout.split())
    assert {
        "devices": "why a batch stands still",
        "leases": "takes over",
        "decisions": "why a model was loaded or had to go",
        "release": "asks anew",
    }[command] in text
