"""The guide for organizers: its commands, in their order, do what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from at_terminal import imageworks
from made_up_photos import write_photo

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- not run: .+? -->\n)?```(console|csv)\n(.*?)```", re.DOTALL)

JUDGES = re.compile(r'<p class="summary judges"[^>]*>(.+?)</p>')


@pytest.mark.slow
def test_the_guides_commands_lead_from_a_folder_to_the_evening(tmp_path, monkeypatch):
    for number in range(3):
        write_photo(tmp_path / "my-entries" / f"Title {number} by Member {number}.jpg", seed=number)
    shutil.copy(ROOT / "imageworks_dagster/demo/competition.toml", tmp_path / "my-competition.toml")
    monkeypatch.chdir(tmp_path)
    home, ran, judges = tmp_path / "home", [], []
    report = home / "reports" / "judge" / "my-entries" / "report.html"
    for unrun, kind, text in BLOCK.findall((ROOT / "docs" / "judging.md").read_text(encoding="utf-8")):
        if kind == "csv":
            (tmp_path / "my-marks.csv").write_text(text, encoding="utf-8")
        elif not unrun:
            program, *words = shlex.split(text.removeprefix("$ "))
            said = imageworks(home, *words)
            assert (program, said.code) == ("imageworks", 0), said
            ran.append(words[0])
            if words[0] == "judge":
                judges.append(JUDGES.search(report.read_text(encoding="utf-8"))[1])

    assert ran == ["competition", "judge", "judge", "judge", "publish", "agreement"]
    assert (report.parent / "agreement.html").exists()
    one = "Judge: baseline-judge, asked once about each entry."
    panel = (
        "Judges: baseline-judge, asked once about each entry; baseline-judge:club-judge (model "
        "baseline-judge), asked twice about each entry."
    )
    assert judges == [one, panel, one]
