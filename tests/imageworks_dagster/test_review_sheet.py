"""The review's sheet in a real browser, from a file, offline: what is clicked there is what is taken back."""

from __future__ import annotations

import pytest
from web_ui import CHROMIUM, chromium

from imageworks.personal_tagger.review import ReviewPhoto
from imageworks.personal_tagger.review_file import load_review
from imageworks.personal_tagger.review_sheet import render_review

PHOTOS = [
    ReviewPhoto("a/=1.jpg", "aa", "=SUM(A1)", ("lake", "pier"), "A lake.\n\nCalm."),
    ReviewPhoto('b "quoted", x.jpg', "bb", "A boat", ("boat",), "A boat."),
]


@pytest.mark.real
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_decisions_made_in_a_browser_are_read_back_as_they_were_made(tmp_path):
    sheet, saved = tmp_path / "review.html", tmp_path / "saved.csv"
    sheet.write_text(render_review(PHOTOS, batch="b", import_command="imageworks review b"), encoding="utf-8")
    with chromium(width=1280, height=900) as (page, errors):
        page.goto(sheet.as_uri())
        page.locator("textarea").nth(2).fill("A lake.\n\nCalm.\nEarly.")
        page.locator("textarea").nth(4).fill("boat, Anna")
        page.locator('input[value="reject"]').nth(5).check()
        assert page.locator("#progress").inner_text() == "3 of 6 texts are undecided."
        # What was changed cannot be approved as it was proposed.
        page.locator('input[value="approve"]').nth(2).click()
        page.get_by_role("button", name="Approve this photo").first.click()
        assert page.locator("#progress").inner_text() == "1 of 6 texts are undecided."
        page.get_by_role("button", name="Approve all").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save decisions").click()
        download.value.save_as(saved)
        assert errors == []
    first, second = load_review(saved)
    assert (first.file, first.words) == ("a/=1.jpg", PHOTOS[0].words)
    assert first.decisions == {"caption": "approve", "keywords": "approve", "description": "edit"}
    assert first.texts["description"] == "A lake.\n\nCalm.\nEarly."
    assert first.texts["caption"] == "=SUM(A1)"
    assert second.file == PHOTOS[1].file
    assert second.decisions == {"caption": "approve", "keywords": "edit", "description": "reject"}
    assert second.texts["keywords"] == "boat, Anna"
