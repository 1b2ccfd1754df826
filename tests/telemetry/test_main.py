"""The command line, as a person or a script uses it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from telemetry.__main__ import app, main
from telemetry.spool import Spool


@pytest.fixture
def ask(made_home):
    home, _ = made_home

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(app, [*arguments, "--home", str(home.root)], catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result.output

    return run


def test_summary_shows_stages_latencies_and_what_was_recalled(ask):
    text = ask("summary")
    assert "judge/critiques" in text
    assert "p95_ms" in text
    assert "http_5xx=2" in text
    assert "No events of run run-9" in ask("summary", "--run", "run-9")


def test_sql_answers_which_prompt_and_model_gave_a_score_and_how_long_it_took(ask):
    query = """
        SELECT c.entry_id, c.score, e.stage_hash, e.model, e.total_ms, c.run_id <> e.run_id AS recalled
        FROM judge_critiques c JOIN events e ON e.event_id = c.answered_by ORDER BY 1
    """
    rows = list(csv.DictReader(io.StringIO(ask("sql", "--csv", query))))
    assert len(rows) == 6
    assert rows[0]["stage_hash"] == "a" * 64
    assert rows[0]["recalled"] == "True"
    assert rows[4]["recalled"] == "False"
    assert float(rows[0]["total_ms"]) > 0


def test_sql_answers_percentiles_and_failures(ask):
    text = ask(
        "sql",
        "SELECT stage, deployment, quantile_cont(total_ms, [0.5, 0.95, 0.99]) FROM events GROUP BY ALL",
    )
    assert "vllm" in text
    assert "http_5xx" in ask("sql", "SELECT error_class, count(*) FROM events GROUP BY ALL")


def test_tail_shows_the_latest_last(ask):
    lines = ask("tail", "-n", "2").splitlines()
    assert "spring/5.jpg" in lines[-2]
    assert len([line for line in lines if "spring/" in line]) == 2


def test_manifest_lists_runs_and_shows_one(ask):
    assert "crashed" in ask("manifest")
    assert json.loads(ask("manifest", "run-1"))["models"]["judge/critiques"]["model"] == "qwen2.5-vl-7b"


def test_manifest_lists_a_damaged_file_and_says_what_is_wrong_with_it(ask, made_home):
    home, _ = made_home
    (home.manifests / "run-0.json").write_text("{", encoding="utf-8")
    said = ask("manifest")
    assert re.search(r"run-0\W+damaged", said)
    assert f"{home.manifests}/run-0.json is not a run manifest" in said
    assert "run-1" in said


def test_compact_and_fsck_say_what_they_did(ask):
    assert "8 events from 1 spools into 1 Parquet files" in ask("compact")
    assert "its process is gone" in ask("fsck", status=1)
    assert "mended" in ask("fsck", "--repair")
    assert "0 problems" in ask("fsck")


def test_a_name_with_control_characters_cannot_move_the_cursor(ask, made_home, make_event):
    home, _ = made_home
    with Spool(home.spool) as spool:
        spool.append(make_event(entry_id="x\x1b[2J\n.jpg", enqueued_at="2030-01-01T00:00:00+00:00"))
    text = ask("tail", "-n", "1")
    assert "\x1b" not in text
    assert "x\\x1b[2J\\x0a.jpg" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sql", "DROP VIEW events"], "One SELECT statement is answered; this is DROP."),
        (["sql", "SELECT nothing FROM events"], "nothing"),
        (["manifest", "run-9"], "has no manifest"),
    ],
)
def test_a_mistake_is_told_in_words(home, arguments, message, monkeypatch, capsys):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(home.root))
    monkeypatch.setattr(sys, "argv", ["telemetry", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["spool", "events", "quarantine"])
def test_a_folder_that_cannot_be_read_is_told_in_words(home, folder, monkeypatch, capsys):
    (home.telemetry / folder).rmdir()
    (home.telemetry / folder).touch()
    monkeypatch.setattr(sys, "argv", ["telemetry", "fsck", "--home", str(home.root)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    assert f"{home.telemetry / folder} cannot be read or written: Not a directory" in capsys.readouterr().err


def test_the_module_is_a_command(home):
    done = subprocess.run(
        [sys.executable, "-m", "telemetry", "sql", "--csv", "SELECT count(*) AS events FROM events"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "IMAGEWORKS_HOME": str(home.root)},
    )
    assert done.stdout.splitlines() == ["events", "0"]
    assert done.stderr == ""
