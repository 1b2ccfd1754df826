from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from imageworks.errors import ReviewFileError
from imageworks.page import content_policy
from imageworks.personal_tagger.review import ReviewPhoto, review_csv, words_digest
from imageworks.personal_tagger.review_file import load_review, read_review
from imageworks.personal_tagger.review_sheet import render_review

PHOTO = ReviewPhoto(
    file="garda/=1+1.jpg",
    photo_id="12e4",
    caption='=HYPERLINK("http://evil")',
    keywords=("lake", "10,000 steps"),
    description="Calm.\n\nStill calm.",
    suggestions=("dusk",),
    present_title="@SUM(A1)",
)


def decided(**cells):
    (row,) = csv.DictReader(io.StringIO(review_csv([PHOTO])))
    table = io.StringIO()
    writer = csv.DictWriter(table, row)
    writer.writeheader()
    writer.writerow({**row, **cells})
    return table.getvalue()


def test_no_cell_of_a_table_is_a_formula_and_digests_are_no_numbers():
    (row,) = csv.DictReader(io.StringIO(review_csv([PHOTO])))
    assert all(value[:1] not in {"=", "+", "-", "@"} for value in row.values())
    assert row["caption"].startswith("'=HYPERLINK")
    assert row["photo"] == "photo:12e4"


def test_what_was_decided_is_read_as_it_was_meant():
    (one,) = read_review(
        decided(caption_decision="Approve", keywords="lake, sky", keywords_decision="edit", reason="dull")
    )
    assert one.decisions == {"caption": "approve", "keywords": "edit"}
    assert one.texts["keywords"] == "lake, sky"
    assert one.texts["caption"] == PHOTO.caption
    assert (one.photo_id, one.words, one.reason) == ("12e4", PHOTO.words, "dull")


@pytest.mark.parametrize("text", ["Calm.\n\nStill calm.\nA pier.", "=one\n=two", "\uff1dSUM(A1)\r\n+1"])
def test_a_description_keeps_its_lines_on_the_way_through_a_table(text):
    photo = replace(PHOTO, description=text)
    (one,) = read_review(review_csv([photo]))
    assert one.texts["description"] == text.replace("\r\n", "\n")
    assert one.texts["caption"] == photo.caption


def test_a_caption_is_one_line_of_a_table():
    (row,) = csv.DictReader(io.StringIO(review_csv([replace(PHOTO, caption="one\ntwo")])))
    assert row["caption"] == "one two"


def test_semicolons_another_order_and_more_columns_are_fine():
    rows = list(csv.reader(io.StringIO(decided(caption_decision="reject"))))
    table = io.StringIO()
    csv.writer(table, delimiter=";").writerows([*reversed(row), "mine"] for row in rows)
    (one,) = read_review(table.getvalue())
    assert one.decisions == {"caption": "reject"}


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            {"caption_decision": "yes"},
            "line 2: 'yes' is no decision for caption: write approve, edit, reject",
        ),
        ({"photo": "12e4"}, "line 2: the columns photo and words were changed"),
        ({"caption": "x" * 40_000}, "line 2: a cell has more than 32,768 characters"),
    ],
)
def test_a_line_that_cannot_be_used_is_told(cells, told):
    with pytest.raises(ReviewFileError, match=re.escape(told)):
        read_review(decided(**cells))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("file,photo\na,b\n", "the header has no column words and no caption"),
        (decided() + decided().split("\r\n", 1)[1], "stands in line 2 already"),
        ('file,"photo', "is no CSV"),
    ],
)
def test_a_file_that_is_no_review_is_told(text, told):
    with pytest.raises(ReviewFileError, match=told):
        read_review(text)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "large.csv"
    with file.open("wb") as made:
        made.truncate(33 * 1024 * 1024)
    with pytest.raises(ReviewFileError, match="larger than 32 MiB"):
        load_review(file)


def test_words_are_named_by_all_that_they_say():
    assert words_digest("a", ["b"], "c") == words_digest("a", ("b",), "c")
    assert words_digest("a", ["b"], "c") != words_digest("a", ["b", ""], "c")


def test_hostile_words_stay_text_in_the_sheet_and_only_its_own_script_may_run(jpeg):
    hostile = ReviewPhoto(
        file='"><script>alert(1)</script>',
        photo_id="a",
        caption="</textarea><script>alert(2)</script>",
        thumbnail=jpeg(),
    )
    page = render_review([hostile], batch="b", import_command="imageworks review b --import x.csv")
    assert page.count("<script") == 1
    assert "alert(1)</script>" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert content_policy(script).replace("'", "&#39;") in page
    assert json.dumps("unsafe") not in page
