"""docs/iqa.md: its table and numbers are the code's, its file loads, and its commands run or say why not."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from iqa_double import IqaDouble

from backends.iqa.app import MOST_BYTES_UNDER_WAY, MOST_REQUESTS
from backends.iqa.asked import MOST_BYTES, MOST_PICTURES, read_json_body
from backends.iqa.metrics import METRICS
from backends.iqa.pictures import MUSIQ_LONG_SIDE, NIMA_SIDE
from imageworks_dagster.tables import IQA
from telemetry import connect

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "iqa.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?```console\n(?P<commands>.*?)```", re.DOTALL)
YAML = re.search(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)[1]


def commands(*, run):
    return [
        line.removeprefix("$ ")
        for match in BLOCK.finditer(GUIDE)
        if (match["reason"] is None) is run
        for line in match["commands"].splitlines()
    ]


def test_the_table_is_that_of_the_metrics_and_each_is_a_column():
    rows = "\n".join(
        f"| `{metric.name}` | {metric.network} | {metric.low:g}-{metric.high:g} | `{metric.weights}` |"
        for metric in METRICS.values()
    )
    assert rows in GUIDE
    assert [column.name for column in IQA] == list(METRICS)


def test_the_limits_are_those_of_the_worker():
    text = " ".join(GUIDE.split())
    assert f"up to {MOST_PICTURES} pictures and {MOST_BYTES >> 20} MiB a request" in text
    assert (
        f"More than {MOST_REQUESTS} requests under way, or {MOST_BYTES_UNDER_WAY >> 20} MiB of them" in text
    )
    assert f"a square of {NIMA_SIDE} pixels" in text
    assert f"a long side of {MUSIQ_LONG_SIDE:,} pixels at most" in text


def test_the_request_in_the_guide_is_one_that_the_worker_reads():
    body = re.search(r'^\{"images".*\}$', GUIDE, re.MULTILINE)[0].replace("…", "UElD")
    asked = read_json_body(body.encode())
    assert (asked.pictures[0].id, asked.metrics) == ("one", ("nima_aesthetic", "musiq_spaq"))


def test_commands_that_are_not_run_say_why():
    reasons = [match["reason"] for match in BLOCK.finditer(GUIDE) if match["reason"]]
    assert all(len(reason.split()) >= 4 for reason in reasons)
    assert len(commands(run=False)) == len(reasons)
    assert len(commands(run=True)) == 2


def test_the_file_of_the_guide_scores_a_round_and_its_question_is_answered(platform, entries_folder):
    resolve, ask = map(shlex.split, commands(run=True))
    home = platform.settings.home
    home.mkdir()
    with IqaDouble() as double:
        (home / "registry.yaml").write_text(
            YAML.replace("http://127.0.0.1:5105", double.url), encoding="utf-8"
        )
        done = subprocess.run(
            [sys.executable, *resolve[1:]],
            cwd=ROOT,
            env={**os.environ, "IMAGEWORKS_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        batch = platform.register("judge", entries_folder)
        config = {"judge/signals": {"model": "club-iqa"}}
        upto = ["judge/entries", "judge/compliance", "judge/signals"]
        result = platform.run("judge", batch, config=config, only=upto)
    assert result.success
    with connect(platform.store.home) as connection:
        rows = connection.sql(ask[-1]).fetchall()
    assert len(rows) == 6
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)
