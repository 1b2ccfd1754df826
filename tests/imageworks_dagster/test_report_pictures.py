"""How large the pictures of a judged round's report are."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import pytest
from made_up_photos import write_photo
from PIL import Image

from imageworks.judge_vision.results import ResultRow
from imageworks_dagster.judging.report_pictures import MOST_SHARP, sharp_ones

PICTURE = re.compile(r'<img src="data:image/webp;base64,([^"]+)" alt="(?!Evidence)')


def pictures(page):
    """The longer sides of the pictures on the podium, and of those in the cards."""
    podium, _, cards = page.partition('<section class="ranking')
    return tuple(
        [max(Image.open(BytesIO(base64.b64decode(data))).size) for data in PICTURE.findall(part)]
        for part in (podium, cards)
    )


@pytest.mark.slow
def test_cards_are_sharp_on_a_projector_and_the_podium_more_so(platform, tmp_path):
    folder = tmp_path / "round"
    for number in range(4):
        write_photo(folder / f"Title {number} by Member {number}.jpg", seed=number, width=1920, height=1280)
    batch = platform.register("judge", folder)
    assert platform.run("judge", batch).success
    page = platform.store.home.reports / "judge" / batch / "report.html"

    podium, cards = pictures(page.read_text(encoding="utf-8"))

    assert podium == [1280] * 3
    assert cards == [800] * 4


@pytest.mark.slow
def test_a_photo_that_is_gone_since_keeps_the_small_picture_that_is_known(platform, entries_folder):
    batch = platform.register("judge", entries_folder)
    assert platform.run("judge", batch).success
    report = platform.store.home.reports / "judge" / batch / "report.html"
    first = platform.rows("judge/results", batch)[0]["entry_id"]
    (entries_folder / first.partition("/")[2]).unlink()
    report.unlink()

    assert platform.run("judge", batch, only=["judge/results"]).success

    assert len(pictures(report.read_text(encoding="utf-8"))[1]) == 6


def row(number, award=None):
    return ResultRow(entry_id=str(number), place=number, award=award)


def test_all_of_a_small_round_are_sharp_and_of_a_large_one_those_with_an_award():
    small = [row(number) for number in range(1, MOST_SHARP + 1)]
    large = [*small, row(MOST_SHARP + 1, "Gold"), row(MOST_SHARP + 2, "Silver")]

    assert len(sharp_ones(small)) == MOST_SHARP
    assert sharp_ones(large) == {str(MOST_SHARP + 1), str(MOST_SHARP + 2)}


def test_where_everybody_has_an_award_the_first_by_place_are_sharp():
    rows = [row(number, "Finalist") for number in range(2 * MOST_SHARP, 0, -1)]

    assert sharp_ones(rows) == {str(number) for number in range(1, MOST_SHARP + 1)}
