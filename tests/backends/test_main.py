"""`python -m backends`: what it prints, and how it fails."""

from __future__ import annotations

import subprocess
import sys

import pytest


def backends(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "backends", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_all_policies_are_compared_unless_some_are_named(tmp_path):
    done = backends("simulate", "--workload", "five-clubs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[1].strip() for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows == ["turns", "fifo", "lru"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workload", "six-clubs"], "these are shipped: five-clubs"),
        (["--workload", "five-clubs", "--devices", "24"], "'24' is no device"),
        (["--workload", "five-clubs", "--picture", "p.svg"], "name it with --policy"),
        (["--workload", "five-clubs", "--policy", "turns", "--picture", "no/such/p.svg"], "no/such/p.svg"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_status_1(tmp_path, arguments, words):
    done = backends("simulate", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_fits_no_device_is_named_as_never_answered(tmp_path):
    done = backends(
        "simulate", "--workload", "five-clubs", "--devices", "8G", "--policy", "turns", cwd=tmp_path
    )
    assert done.returncode == 0
    assert "requests were never answered; their model fits no device" in done.stdout
