"""What the detectors see reaches judge/compliance, once a photo."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from made_up_photos import write_photo

UP_TO_COMPLIANCE = ["judge/entries", "judge/compliance"]


@pytest.fixture
def round_folder(tmp_path):
    folder = tmp_path / "round"
    plain = write_photo(folder / "Mono" / "Plain.jpg", seed=1)
    pixels = cv2.imread(str(write_photo(folder / "Colour" / "Other.jpg", seed=2)))
    framed = np.pad(pixels, ((12, 12), (12, 12), (0, 0)), constant_values=255)
    cv2.imwrite(str(folder / "Colour" / "Framed.png"), framed)
    (tmp_path / "rules.toml").write_text(
        '[competition.spring]\ncategories = ["Colour", "Mono"]\n[competition.spring.rules]\non_borders = "fail"\n',
        encoding="utf-8",
    )
    assert plain.exists()
    return folder


def verdicts(rows):
    return {
        row["entry_id"].rpartition("/")[2]: {f["rule"]: f["verdict"] for f in json.loads(row["findings"])}
        for row in rows
    }


def test_findings_stand_in_the_table_with_their_confidence_and_the_detectors_version(
    platform, round_folder, monkeypatch
):
    batch = platform.register("judge", round_folder, rules=round_folder.parent / "rules.toml")
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    rows = platform.rows("judge/compliance", batch)
    assert verdicts(rows)["Plain.jpg"] == {"mono": "query"}
    assert verdicts(rows)["Framed.png"]["borders"] == "fail"
    assert {row["detectors_version"] for row in rows} == {"1.1.1.1"}
    told = [finding for row in rows for finding in json.loads(row["findings"])]
    assert all(0.5 <= finding["confidence"] <= 1 for finding in told if finding["rule"] == "borders")

    # What was seen in a photo is kept: a second run decodes nothing.
    def refuse(pixels):
        raise AssertionError(pixels.shape)

    monkeypatch.setattr("imageworks_dagster.looking.find_borders", refuse)
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert verdicts(platform.rows("judge/compliance", batch)) == verdicts(rows)
