"""What detectors saw is drawn once, is in the report, is found again in a later round, and goes with its photo."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from public_photos import public_photo

from imageworks.judge_vision.findings import Finding
from imageworks_dagster.command.forgetting import plan_forgetting
from imageworks_dagster.judging.evidence import MOST_PICTURES, evidence_path, pictured
from photos.identity import photo_id

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

RULES = '[competition.club]\ncategories = ["Mono", "Colour"]\n[competition.club.rules]\non_reuse = "fail"\n'
UP_TO_COMPLIANCE = ["judge/entries", "judge/compliance"]


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture(scope="module")
def two_rounds(tmp_path_factory, open_platform):
    place = tmp_path_factory.mktemp("rounds")
    cat, coffee = public_photo("chelsea"), public_photo("coffee")
    write(place / "spring" / "Colour" / "Cat.png", cat)
    write(place / "spring" / "Colour" / "Cup.png", coffee)
    write(place / "autumn" / "Mono" / "Whiskers.png", cat[10:290, 15:440][:, ::-1])
    write(place / "autumn" / "Colour" / "Cup.png", coffee)
    write(
        place / "autumn" / "Colour" / "Framed.png", np.pad(public_photo("rocket"), ((9, 9), (9, 9), (0, 0)))
    )
    (place / "rules.toml").write_text(RULES, encoding="utf-8")
    with open_platform(place) as platform:
        for name in ("spring", "autumn"):
            batch = platform.register("judge", place / name, rules=place / "rules.toml")
            assert platform.run("judge", batch).success
        yield platform, place


def findings(platform, batch):
    return {
        row["entry_id"].partition("/")[2]: {one["rule"]: one for one in json.loads(row["findings"])}
        for row in platform.rows("judge/compliance", batch)
    }


def pictures(platform):
    return {path.name for path in platform.store.home.evidence.rglob("*.webp")}


def test_a_picture_of_an_earlier_round_is_named_with_its_round_and_entry(two_rounds):
    platform, _ = two_rounds
    found = findings(platform, "autumn")

    again, edited = found["Colour/Cup.png"]["reuse"], found["Mono/Whiskers.png"]["reuse"]
    assert (again["verdict"], again["measured"]) == ("fail", "spring/Colour/Cup.png")
    assert (edited["verdict"], edited["measured"]) == ("fail", "spring/Colour/Cat.png")
    assert "edited or saved anew" in edited["message"]
    assert "in the round spring" in edited["message"]
    assert "reuse" not in found["Colour/Framed.png"]
    assert not any("reuse" in one for one in findings(platform, "spring").values())


def test_each_finding_has_its_picture_and_the_report_shows_it(two_rounds):
    platform, place = two_rounds
    found = findings(platform, "autumn")
    home = platform.store.home

    for name, rule in (
        ("Mono/Whiskers.png", "mono"),
        ("Mono/Whiskers.png", "reuse"),
        ("Colour/Framed.png", "borders"),
    ):
        path = evidence_path(home, photo_id(place / "autumn" / name), found[name][rule]["evidence"])
        assert cv2.imread(str(path)) is not None
        assert path.stat().st_size < 60_000
    page = (home.reports / "judge" / "autumn" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") >= 3
    assert page.count('class="evidence"') == 3


def test_an_entry_that_is_like_many_others_has_few_pictures():
    finding = Finding(rule="near_duplicate", verdict="query", message="It is like another.", evidence="e")
    assert len(pictured([finding.model_copy(update={"evidence": None}), *[finding] * 9])) == MOST_PICTURES


def test_a_second_run_draws_nothing(two_rounds, monkeypatch):
    platform, _ = two_rounds
    before = pictures(platform)

    def refuse(*arguments):
        raise AssertionError(arguments)

    for name in ("draw_borders", "draw_monochrome", "draw_alike"):
        monkeypatch.setattr(f"imageworks_dagster.judging.evidence.{name}", refuse)
    assert platform.run("judge", "autumn", only=UP_TO_COMPLIANCE).success
    assert pictures(platform) == before


def test_a_forgotten_photo_goes_from_the_evidence_and_the_report_of_a_later_round(two_rounds):
    platform, place = two_rounds
    cat = place / "spring" / "Colour" / "Cat.png"
    before = findings(platform, "autumn")
    shared = before["Mono/Whiskers.png"]["reuse"]["evidence"]
    home = platform.store.home
    # The cache may be cleared, or come back from a copy in part: it is not what knows who is in a picture.
    shutil.rmtree(evidence_path(home, photo_id(cat), shared).parent)
    assert any(name.startswith(shared) for name in pictures(platform))

    told = plan_forgetting(platform.settings, cat).carry_out(platform.instance)

    assert "the report of judge autumn" in told
    assert not (home.reports / "judge" / "autumn").exists()
    assert not any(name.startswith(shared) for name in pictures(platform))
    assert pictures(platform)
    after = findings(platform, "autumn")
    left = after["Mono/Whiskers.png"].pop("reuse")
    assert (left["verdict"], left["measured"]) == ("fail", "a photo that was forgotten")
    assert "Cat.png" not in json.dumps([left, after])
    assert "evidence" not in left
    assert after["Colour/Cup.png"] == before["Colour/Cup.png"]
    assert platform.run("judge", "autumn", only=UP_TO_COMPLIANCE).success
    assert "reuse" not in findings(platform, "autumn")["Mono/Whiskers.png"]
