"""Anchors and earlier rounds of a competition: shown beside a round's marks, and deciding nothing."""

from __future__ import annotations

import csv

import pytest
from made_up_photos import write_photo

RULES = """
[competition.club]
name = "Club"
[competition.club.rules]
naming = "{title} by {author}"
[competition.club.anchor_marks]
{marks}
"""

# Two marks above what the baseline gives the pictures of these seeds.
ANCHORS = {100: 14, 101: 13, 104: 15, 109: 15, 113: 10, 117: 10}


@pytest.fixture(scope="module")
def two_rounds(tmp_path_factory, open_platform):
    place = tmp_path_factory.mktemp("club")
    marks = "\n".join(f'"Anchor {seed}" = {mark}' for seed, mark in ANCHORS.items())
    (place / "rules.toml").write_text(RULES.replace("{marks}", marks), encoding="utf-8")
    with open_platform(place) as platform:
        for start, name in ((0, "spring"), (50, "autumn")):
            for seed in range(start, start + 6):
                write_photo(place / name / f"Title {seed} by Member {seed}.jpg", seed=seed)
        for seed in ANCHORS:
            write_photo(place / "autumn" / f"Anchor {seed}.jpg", seed=seed)
        for name in ("spring", "autumn"):
            assert platform.run(
                "judge", platform.register("judge", place / name, rules=place / "rules.toml")
            ).success
        yield platform


@pytest.mark.slow
def test_anchors_are_judged_and_take_no_place_and_meet_nobody(two_rounds):
    rows = {row["entry_id"].partition("/")[2]: row for row in two_rounds.rows("judge/results", "autumn")}
    anchors = {name: row for name, row in rows.items() if name.startswith("Anchor")}

    assert len(anchors) == 6
    for row in anchors.values():
        assert (row["place"], row["verdict"]) == (None, "pass")
        assert row["score"] is not None
    met = {row["entry_id"] for row in two_rounds.rows("judge/playoff", "autumn")}
    assert met
    assert not any("Anchor" in entry for entry in met)


@pytest.mark.slow
def test_a_calibrated_mark_stands_beside_each_score(two_rounds):
    folder = two_rounds.store.home.reports / "judge" / "autumn"
    rows = two_rounds.rows("judge/results", "autumn")
    told = list(csv.DictReader((folder / "results.csv").read_text(encoding="utf-8-sig").splitlines()))
    page = (folder / "report.html").read_text(encoding="utf-8")

    assert all(row["calibrated"] == row["score"] + 2 for row in rows)
    assert all(float(row["calibrated"]) == int(row["score"]) + 2 for row in told)
    assert "a calibrated mark is 1.00 times the judge&#39;s score +2.0." in page
    assert all(row["calibrated"] is None for row in two_rounds.rows("judge/results", "spring"))


@pytest.mark.slow
def test_the_round_before_is_drawn_beside_this_one(two_rounds):
    reports = two_rounds.store.home.reports / "judge"

    assert "Beside earlier rounds" in (reports / "autumn" / "report.html").read_text(encoding="utf-8")
    assert "Beside earlier rounds" not in (reports / "spring" / "report.html").read_text(encoding="utf-8")
