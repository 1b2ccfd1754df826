"""What is found wrong with a home, and that what is right is not."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pytest
from sqlalchemy import insert
from typer.testing import CliRunner
from vllm_double import VllmDouble

from imageworks_dagster.command.app import app
from imageworks_dagster.doctor import machine
from imageworks_dagster.doctor.examining import examine
from store.artifacts import TableStore
from store.database import StateDatabase
from store.settings import Settings
from store.tables import leases

REGISTRY = """
roles: {judge: seeing}
models:
  seeing:
    roles: [judge]
    capabilities:
      chat: {context_tokens: 8192, max_output_tokens: 512, structured_output: true}
    deployments:
      - {name: here, provider: vllm, base_url: "URL"}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in [
        one for one in os.environ if one.startswith(("IMAGEWORKS_", "CHAT_PROXY_", "JUDGE_VISION_"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "home"))
    # The shipped image-quality model's server: nobody is there.
    monkeypatch.setenv("JUDGE_VISION_TF_SERVICE_URL", "http://127.0.0.1:9")
    return tmp_path / "home"


def found():
    return {(one.check, one.level): one for one in examine(lambda _: None)}


def table(home):
    rows = pa.table({"entry_id": ["a"], "photo_id": ["p"]})
    with StateDatabase.open(Settings()) as database:
        pointer = TableStore(database.home, database).publish(
            asset="judge/entries", batch="spring", run_id="one", table=rows, expected=None
        )
    return pointer.parts[0]


def test_a_home_that_nobody_has_used_is_sound_and_is_not_made(home):
    assert not [one for (_, level), one in found().items() if level == "broken"]
    assert not home.exists()


def test_a_server_that_is_away_is_named_by_the_address_that_was_asked(home):
    told = found()["models", "look"]
    assert "http://127.0.0.1:9 does not answer: ConnectError" in told.words


def test_a_used_home_is_sound_when_its_server_answers(home):
    table(home)
    with VllmDouble() as double:
        (home / "registry.yaml").write_text(REGISTRY.replace("URL", double.url), encoding="utf-8")
        findings = found()

    assert not [one for (_, level), one in findings.items() if level == "broken"]
    for check in ("database", "tables", "telemetry", "leases", "prompts", "models", "home", "disk"):
        assert (check, "ok") in findings, check


def test_a_run_with_a_table_whose_manifest_is_not_in_this_home_is_told(home):
    table(home)
    lost = found()["manifests", "look"]
    assert lost.words == "1 run of 1 with a table, such as one, left no manifest in this home"
    assert lost.remedy.startswith("Restore them from a backup")

    (home / "manifests" / "one.json").write_text("{", encoding="utf-8")
    assert found()["manifests", "ok"].words == "each of 1 run with a table has its manifest"


@pytest.mark.real
def test_a_host_that_has_a_home_of_its_own_is_told_where_hosts_share_a_state_database(
    home, tmp_path, monkeypatch, postgresql_url
):
    monkeypatch.setenv("IMAGEWORKS_STATE_URL", postgresql_url)
    monkeypatch.setenv("IMAGEWORKS_ARTIFACTS_URL", (tmp_path / "shared").as_uri())
    table(home)
    (home / "manifests" / "one.json").write_text("{", encoding="utf-8")
    assert ("manifests", "ok") in found()

    monkeypatch.setenv("IMAGEWORKS_HOME", str(tmp_path / "another-hosts"))
    told = found()["manifests", "look"]
    assert "such as one" in told.words
    assert "let all of them have one, on a disk that they share" in told.remedy


def test_each_thing_that_is_wrong_is_told_with_what_to_do(home, monkeypatch):
    table(home).unlink()
    with StateDatabase.open(Settings()) as database:
        gone = {
            "token": 1, "model": "seeing", "deployment": "here", "device": "gpu-0", "priority": "batch",
            "holder": "nobody", "waiter": "w", "granted_at": 1.0, "expires_at": 2.0,
        }  # fmt: skip
        database.write(lambda one: one.execute(insert(leases).values(gone)))
    (home / "registry.yaml").write_text(REGISTRY.replace("URL", "http://127.0.0.1:9"), encoding="utf-8")
    (home / "prompts" / "mine.yaml").write_text("id: mine\nstages: [", encoding="utf-8")
    (home / "manifests" / "one.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("IMAGEWORKS_CONCURENCY", "3")
    monkeypatch.setenv("CHAT_PROXY_LOG_PROMPTS", "1")

    findings = found()

    for wrong in (
        ("tables", "broken"),
        ("models", "broken"),
        ("prompts", "broken"),
        ("telemetry", "look"),
        ("leases", "look"),
        ("settings", "look"),
    ):
        assert findings[wrong].remedy, wrong
    assert "nobody" in findings["leases", "look"].words


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"?" * 5000, b"noise"])
def test_a_damaged_database_is_broken(home, content):
    home.mkdir()
    (home / "state.db").write_bytes(content)

    assert ("database", "broken") in found()


def test_a_package_that_does_not_fit_is_named(monkeypatch):
    wanted = ["duckdb>=99", "no-such-thing>=1", "gepa>=99; extra == 'optimize'", "typer>=0.20"]
    monkeypatch.setattr(machine, "requires", lambda _: wanted)

    words = [one.words for one in machine.python_and_packages() if one.level == "broken"]
    assert [one.split()[0] for one in words] == ["duckdb", "no-such-thing"]


def test_the_command_exits_with_1_where_something_is_broken_and_prints_json(home, monkeypatch):
    sound = CliRunner().invoke(app, ["doctor", "--json"])
    monkeypatch.setenv("IMAGEWORKS_CONCURRENCY", "many")
    broken = CliRunner().invoke(app, ["doctor", "--json"])

    assert (sound.exit_code, json.loads(sound.stdout)["sound"]) == (0, True)
    assert (broken.exit_code, json.loads(broken.stdout)["sound"]) == (1, False)
