from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from lettered_photos import lettered_photos, text_tally
from PIL import Image, ImageDraw, ImageFont
from public_photos import HELD_OUT, public_photo
from soak import amount

from photos.errors import ReaderFailed
from photos.evidence import MARK
from photos.overlay_text import NO_TEXT, draw_text, find_text, installed_tesseract


@pytest.fixture(scope="module")
def signed():
    """A photo signed with the font that Pillow brings along."""
    picture = Image.fromarray(cv2.resize(public_photo("coffee"), (1200, 800)))
    font = ImageFont.load_default(size=36)
    ImageDraw.Draw(picture).text((30, 740), "Jane Weaver 2024", font=font, fill=(255, 255, 255))
    return np.asarray(picture, np.uint8)


@pytest.mark.slow
def test_shapes_alone_find_text_at_the_edges_of_photos_they_were_not_tuned_on():
    tally, placed = text_tally(HELD_OUT, each=amount(200, 24), seed=5, tesseract=None)
    assert tally.precision >= 0.95
    assert tally.recall >= 0.65
    assert placed >= 0.9


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(installed_tesseract() is None, reason="needs tesseract-ocr")
def test_tesseract_finds_more_text():
    tally, _ = text_tally(HELD_OUT, each=amount(200, 24), seed=5, tesseract=installed_tesseract())
    assert tally.precision >= 0.95
    assert tally.recall >= 0.75


def test_a_signature_is_found_where_it_is_and_says_that_it_was_not_read(signed):
    found = find_text(signed, tesseract=None)
    assert (found.kind, found.reader, found.words) == ("text", "shapes", "")
    left, top, right, bottom = found.box
    assert left == pytest.approx(30 / 1200, abs=0.02)
    assert 0.15 < right < 0.4
    assert top > 0.9
    assert bottom < 1


def test_a_photo_without_text_has_none():
    assert find_text(public_photo("coffee"), tesseract=None) == NO_TEXT
    assert find_text(np.full((5, 5, 3), 80, np.uint8), tesseract=None) == NO_TEXT


@pytest.mark.real
@pytest.mark.skipif(installed_tesseract() is None, reason="needs tesseract-ocr")
def test_tesseract_reads_the_words(signed):
    found = find_text(signed, tesseract=installed_tesseract())
    assert found.reader == "tesseract"
    assert "2024" in found.words


def test_a_reader_that_fails_is_an_error_with_its_words(signed, tmp_path):
    broken = tmp_path / "tesseract"
    broken.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no language')\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(ReaderFailed, match="no language"):
        find_text(signed, tesseract=broken)
    broken.write_text(f"#!{sys.executable}\nimport os\nos.abort()\n", encoding="utf-8")
    with pytest.raises(ReaderFailed, match="ended with -6 and said nothing"):
        find_text(signed, tesseract=broken)
    with pytest.raises(ReaderFailed, match="did not run"):
        find_text(signed, tesseract=tmp_path / "gone")


def test_a_reader_that_takes_too_long_is_stopped_and_named(signed, tmp_path, monkeypatch):
    slow = tmp_path / "tesseract"
    slow.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.buffer.read()\nwhile True: pass\n")
    slow.chmod(0o755)
    monkeypatch.setattr("photos.overlay_text._SECONDS", 0.5)
    with pytest.raises(ReaderFailed, match=r"took longer than 0\.5 s"):
        find_text(signed, tesseract=slow)


def test_the_evidence_shows_the_text_marked_and_enlarged(signed):
    drawn = draw_text(signed, find_text(signed, tesseract=None))
    assert (drawn[:, :480] == MARK).all(axis=2).any()
    assert drawn.shape[1] == 480 + 8 + 240


def test_the_made_up_photos_hold_text_where_they_say():
    (photo,) = (made for made in lettered_photos(("coffee",), each=1, seed=1) if made.family == "text")
    left, top, right, bottom = photo.box
    assert 0 <= left < right <= photo.pixels.shape[1]
    assert 0 <= top < bottom <= photo.pixels.shape[0]
