"""What a judged entry's page and the gallery show of findings and of several judges."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from judged_round import HOSTILE, ROUND, make_home
from served_gateway import Gateway, registry_of

from gateway.console.results.gallery import Gallery
from imageworks.judge_vision.findings import evidence_name
from store.artifacts import TableStore
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings

ENTRY = f"{ROUND}/photo-0002.jpg"
PLAIN = f"{ROUND}/photo-0003.jpg"
PICTURE = b"RIFF\x00\x00\x00\x00WEBPVP8 made up"
VERSION = "1.1.1.1.1"
RUN = "44444444-0000-4000-8000-000000000004"
MESSAGE = f"Another entry, “{HOSTILE}.jpg”, shows the same picture."


def answer(judge, sample, score, **more):
    given = {"impact": score, "composition": score, "technique": score, "score": score}
    words = {"critique": f"{judge} says {HOSTILE}.", "improvement": "Crop."}
    told = given | words if score is not None else dict.fromkeys((*given, *words))
    who = {"judge": judge, "sample": sample, "model": judge.partition(":")[0], "profile_id": "club-judge"}
    return {**who, "error_class": None, **told, **more}


OPINIONS = [
    answer("near-vlm", 0, 14),
    answer("far-vlm:club-judge", 0, 18),
    answer("far-vlm:club-judge", 1, None, error_class="schema_mismatch"),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory, module_double):
    """A round in which one entry is like another, and was judged by several."""
    root = tmp_path_factory.mktemp("entry-page") / "home"
    make_home(root)
    settings = Settings(home=root)
    home = Home.of(settings)
    with StateDatabase.open(settings) as database:
        tables = TableStore(home, database)
        rows = tables.read("judge/critiques", ROUND).to_pylist()
        photo = next(row["photo_id"] for row in rows if row["entry_id"] == ENTRY)
        name = evidence_name("near_duplicate", photo, "f" * 64)
        finding = {
            "rule": "near_duplicate",
            "verdict": "query",
            "message": MESSAGE,
            "measured": "31 points in common",
            "confidence": 0.97,
            "evidence": name,
        }
        undrawn = {**finding, "rule": "mono", "message": "It has color.", "evidence": "0" * 64}
        several = {"opinions": json.dumps(OPINIONS), "score_low": 14, "score_high": 18}
        changed = {
            "judge/compliance": lambda row: {
                "verdict": "query",
                "findings": json.dumps([finding, undrawn]) if row["entry_id"] == ENTRY else "[]",
                "detectors_version": VERSION,
            },
            "judge/critiques": lambda row: several if row["entry_id"] == ENTRY else dict.fromkeys(several),
            "judge/playoff": lambda row: {"judge": "near-vlm", "judges": ["near-vlm", "far-vlm:club-judge"]},
        }
        for asset, more in changed.items():
            before = tables.read(asset, ROUND).to_pylist()
            tables.publish(
                asset=asset,
                batch=ROUND,
                run_id=RUN,
                table=pa.Table.from_pylist([{**row, **more(row), "run_id": RUN} for row in before]),
                expected=tables.current(asset, ROUND),
                key=("entry_id", "opponent_id") if asset == "judge/playoff" else ("entry_id",),
            )
    path = home.evidence_of(photo, name, VERSION)
    path.parent.mkdir(parents=True)
    path.write_bytes(PICTURE)
    with Gateway(root, registry_of(module_double.url), dagster_url="http://127.0.0.1:1") as gateway:
        yield gateway, name, path


@pytest.fixture
def visitor(published, visiting_at):
    with visiting_at(published[0]) as found:
        yield found


def test_a_finding_shows_how_sure_it_is_what_was_measured_and_the_picture_of_it(published, visitor):
    page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": ENTRY}).text
    _, name, _ = published

    assert "very sure, 97 %" in page
    assert "31 points in common" in page
    assert "Both entries; the line on the first is the edge of the second." in page
    assert page.count('<figure class="evidence">') == 1
    assert f"/evidence?entry=spring-round%2Fphoto-0002.jpg&amp;name={name}" in page
    assert HOSTILE not in page


def test_the_picture_of_a_finding_is_sent_once_and_only_to_who_names_the_entry_and_the_finding(
    published, visitor
):
    _, name, path = published
    address = f"/results/judge/{ROUND}/evidence"
    sent = visitor.get(address, params={"entry": ENTRY, "name": name})

    assert (sent.status_code, sent.content, sent.headers["content-type"]) == (200, PICTURE, "image/webp")
    again = visitor.get(
        address, params={"entry": ENTRY, "name": name}, headers={"If-None-Match": sent.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    for asked in (
        {"entry": PLAIN, "name": name},
        {"entry": ENTRY, "name": "0" * 64},
        {"entry": ENTRY, "name": f"../{path.parent.name}/{name}"},
        {"entry": ENTRY, "name": ""},
        {"entry": f"{ROUND}/nothing.jpg", "name": name},
    ):
        assert visitor.get(address, params=asked).status_code == 404


def test_a_picture_that_is_gone_leaves_the_finding(published, visitor):
    _, name, path = published
    path.rename(path.with_suffix(".gone"))
    try:
        page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": ENTRY})
        picture = visitor.get(f"/results/judge/{ROUND}/evidence", params={"entry": ENTRY, "name": name})
    finally:
        path.with_suffix(".gone").rename(path)
    assert page.status_code == 200
    assert "31 points in common" in page.text
    assert "<figure" not in page.text
    assert picture.status_code == 404
    assert "judge the batch once more" in picture.text


def test_each_judges_mark_and_words_are_shown_and_how_far_they_are_apart(visitor):
    page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": ENTRY}).text

    assert "judges from 14 to 18" in page
    assert "<li><b>14</b> near-vlm</li>" in page
    assert "<li><b>18</b> far-vlm:club-judge #1</li>" in page
    assert "far-vlm:club-judge #2" in page
    assert "near-vlm says &lt;script&gt;" in page
    assert "No valid answer: schema_mismatch." in page
    assert page.count('<details class="opinion">') == 3


def test_the_gallery_shows_how_far_the_judges_are_apart_of_entries_that_had_several(visitor):
    page = visitor.get(f"/results/judge/{ROUND}").text
    assert page.count("judges from 14 to 18") == 1


def test_an_entry_of_one_judge_has_no_list_of_judges(visitor):
    page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": PLAIN}).text
    assert "judges from" not in page
    assert "What each judge" not in page


def test_a_pair_says_which_of_several_judges_compared_it(visitor):
    page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": f"{ROUND}/photo-0000.jpg"}).text
    assert '<span class="quiet">before near-vlm</span>' in page
    assert "shown first, lost: &lt;script&gt;" in page


def test_of_several_categories_one_comes_after_the_other_and_each_place_says_whose_it_is():
    def row(place, category):
        return {"results": {"place": place, "category": category, "score": 15}}

    rows = {"m1": row(1, "Mono"), "c2": row(2, "Colour"), "c1": row(1, "Colour"), "out": row(None, None)}
    gallery = Gallery({}, rows, [])
    assert gallery.chosen(order="place", words={}) == ["c1", "c2", "m1", "out"]
    assert gallery.categories == ("Colour", "Mono")


def test_a_pair_in_both_orders_is_one_pair():
    both = [
        {"entry_id": "a", "opponent_id": "b", "playoff_round": 1},
        {"entry_id": "b", "opponent_id": "a", "playoff_round": 1},
        {"entry_id": "a", "opponent_id": "b", "playoff_round": 2},
    ]
    assert Gallery({}, {}, both).compared == 2


def test_of_several_judges_each_is_named_where_it_stands_who_said_what(visitor):
    page = visitor.get(f"/results/judge/{ROUND}/entry", params={"entry": ENTRY}).text
    _, _, table = page.partition("Who said what")

    assert table.count('<th scope="row">critiques</th>') == 2
    assert 'href="/console/registry/near-vlm"' in table
    assert 'href="/console/registry/far-vlm"' in table
