"""What the detectors see reaches judge/compliance, once a photo."""

from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import pytest
from made_up_photos import write_photo
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imageworks_dagster import generation
from imageworks_dagster.checking import Checked, text_looked_for
from imageworks_dagster.looking import DETECTORS_VERSION
from imageworks_dagster.picturing import PhotoFile
from photos.errors import ReaderFailed
from photos.overlay_text import NO_TEXT

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
    assert {row["detectors_version"] for row in rows} == {DETECTORS_VERSION}
    told = [finding for row in rows for finding in json.loads(row["findings"])]
    assert all(0.5 <= finding["confidence"] <= 1 for finding in told if finding["rule"] == "borders")

    # What was seen in a photo is kept: a second run decodes nothing.
    def refuse(pixels):
        raise AssertionError(pixels.shape)

    monkeypatch.setattr("imageworks_dagster.looking.find_borders", refuse)
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert verdicts(platform.rows("judge/compliance", batch)) == verdicts(rows)


def test_a_photo_whose_text_cannot_be_read_asks_a_person_and_fails_no_other(
    platform, round_folder, monkeypatch
):
    def read(pixels, *, tesseract):
        if pixels.shape[:2] != framed:
            return NO_TEXT
        raise ReaderFailed("tesseract took longer than 20 s and was stopped")

    framed = cv2.imread(str(round_folder / "Colour" / "Framed.png")).shape[:2]
    batch = platform.register("judge", round_folder, rules=round_folder.parent / "rules.toml")
    with monkeypatch.context() as broken:
        broken.setattr("imageworks_dagster.looking.find_text", read)
        result = platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert result.success
    found = {row["entry_id"]: json.loads(row["findings"]) for row in platform.rows("judge/compliance", batch)}
    told = {
        entry.rpartition("/")[2]: one["message"]
        for entry, findings in found.items()
        for one in findings
        if one["rule"] == "text"
    }
    assert told == {
        "Framed.png": "Text could not be looked for: tesseract took longer than 20 s and was stopped."
    }
    (made,) = [
        one for one in result.get_asset_materialization_events() if one.asset_key.path[-1] == "compliance"
    ]
    assert made.materialization.metadata["text_not_looked_for"].value == 1
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "tesseract failed for 1 of 3 pictures" in check.description
    assert "took longer than 20 s" in check.description

    # Nothing is kept of a failure: the next run looks again.
    again = platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert "text" not in verdicts(platform.rows("judge/compliance", batch))["Framed.png"]
    assert all(check.passed for check in again.get_asset_check_evaluations())


def test_a_reader_that_fails_for_every_photo_is_said_in_the_check():
    finding = {"rule": "text", "message": "Text could not be looked for: tesseract failed: no eng."}
    rows = [{"findings": json.dumps([finding]), "error_class": None}] * 2
    outcome = text_looked_for(Checked("judge/compliance", None, [], rows, None))
    assert not outcome.passed
    assert "tesseract failed for every picture" in outcome.description
    assert outcome.metadata == {"not_looked_for": 2, "pictures": 2}


def test_a_picture_is_decoded_once_for_detectors_and_signals(platform, round_folder, monkeypatch):
    batch = platform.register("judge", round_folder)
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    monkeypatch.setattr("imageworks_dagster.measuring.decoded", refuse)
    platform.run("judge", batch, only=["judge/signals"])
    assert all(row["sharpness"] > 0 for row in platform.rows("judge/signals", batch))


def generated(rows):
    found = {row["entry_id"].rpartition("/")[2]: json.loads(row["findings"]) for row in rows}
    return {
        entry for entry, findings in found.items() if any(one["rule"] == "ai_metadata" for one in findings)
    }


def test_a_known_file_is_not_read_again_for_signs_of_a_generator_and_one_with_other_metadata_is(
    platform, round_folder, monkeypatch
):
    read, find = [], generation.find_generation

    def finding(path, **options):
        read.append(path.name)
        return find(path, **options)

    monkeypatch.setattr(generation, "find_generation", finding)
    batch = platform.register("judge", round_folder)
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert sorted(read) == ["Framed.png", "Other.jpg", "Plain.jpg"]
    before = platform.rows("judge/compliance", batch)
    assert generated(before) == set()

    read.clear()
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert read == []
    assert verdicts(platform.rows("judge/compliance", batch)) == verdicts(before)

    path = round_folder / "Colour" / "Framed.png"
    text = PngInfo()
    text.add_text("parameters", "a heron\nNegative prompt: blurry")
    with Image.open(path) as picture:
        picture.save(path, pnginfo=text)
    platform.run("judge", batch, only=UP_TO_COMPLIANCE)
    assert read == ["Framed.png"]
    assert generated(platform.rows("judge/compliance", batch)) == {"Framed.png"}

    # Another version of the finder reads them anew.
    read.clear()
    monkeypatch.setattr(generation, "PROVENANCE_VERSION", 1000)
    platform.run("judge", batch, only=["judge/compliance"])
    assert len(read) == 3


def test_what_is_found_in_a_file_that_has_changed_since_is_not_kept_for_it(platform, round_folder, tmp_path):
    path = tmp_path / "one.jpg"
    path.write_bytes(b"trainedAlgorithmicMedia ")
    photos, digest = {"one": PhotoFile("photo", path)}, hashlib.sha256(b"as it was").hexdigest()
    options = {"settings": platform.settings, "database": platform.store.database}

    found = generation.find_generations(photos, {"one": digest}, **options)
    assert found["one"].kind == "generated"

    path.write_bytes(b"as it was")
    assert generation.find_generations(photos, {"one": digest}, **options)["one"].kind == "none"
    # And that is kept: the file need not be there.
    path.unlink()
    assert generation.find_generations(photos, {"one": digest}, **options)["one"].kind == "none"
