"""The gallery's choice of entries that were kept out, are to be looked at, or have no result."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from judged_round import ROUND, SHOOT, make_home
from served_gateway import Gateway, registry_of

from store.artifacts import TableStore
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings

GALLERY = f"/results/judge/{ROUND}"
OUT, ASKING, FAILED = (f"{ROUND}/photo-000{number}.jpg" for number in range(3))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, module_double):
    """A round of four: one was kept out, one is to be looked at, one has no critique."""
    root = tmp_path_factory.mktemp("standing") / "home"
    make_home(root)
    settings = Settings(home=root)
    run_id = "55555555-0000-4000-8000-000000000005"
    with StateDatabase.open(settings) as database:
        tables = TableStore(Home.of(settings), database)
        changes = {
            "judge/compliance": {OUT: {"verdict": "fail"}, ASKING: {"verdict": "query"}},
            "judge/critiques": {
                OUT: {"error_class": "not_eligible", "score": None},
                FAILED: {"error_class": "timeout", "score": None},
            },
        }
        for asset, changed in changes.items():
            rows = [
                {**row, **changed.get(row["entry_id"], {}), "run_id": run_id}
                for row in tables.read(asset, ROUND).to_pylist()
            ]
            tables.publish(
                asset=asset,
                batch=ROUND,
                run_id=run_id,
                table=pa.Table.from_pylist(rows),
                expected=tables.current(asset, ROUND),
            )
    with Gateway(root, registry_of(module_double.url), dagster_url="http://127.0.0.1:1") as served:
        yield served


@pytest.fixture
def visitor(gateway, visiting_at):
    with visiting_at(gateway) as found:
        yield found


def shown(text):
    return set(re.findall(r'<h2 dir="auto"><a href="[^"]*entry=[^"]*(photo-\d+)\.jpg"', text))


@pytest.mark.parametrize(
    ("show", "photos", "words"),
    [
        ("out", {"photo-0000"}, "1 of 4 photos: kept out."),
        ("query", {"photo-0001"}, "1 of 4 photos: to be looked at."),
        ("failed", {"photo-0002"}, "1 of 4 photos: without a result."),
    ],
)
def test_entries_that_want_a_persons_eye_are_shown_alone(visitor, show, photos, words):
    page = visitor.get(f"{GALLERY}?show={show}").text

    assert shown(page) == photos
    assert words in page
    assert f'<option value="{show}" selected>' in page
    assert shown(visitor.get(f"{GALLERY}/cards?show={show}").text) == photos


def test_the_choice_says_how_many_there_are_and_is_part_of_the_form_that_needs_no_script(visitor):
    form = visitor.get(GALLERY).text.partition('<form class="filter"')[2].partition("</form>")[0]

    assert '<label for="show">Show</label><select id="show" name="show">' in form
    assert "kept out (1)" in form
    assert "without a result (1)" in form


def test_a_search_within_them_that_finds_nothing_says_where_it_looked(visitor):
    page = visitor.get(f"{GALLERY}/cards?show=out&search=nowhere").text

    assert not shown(page)
    assert "No photo that is kept out has “nowhere” in its title or file." in page


def test_where_nobody_is_kept_out_that_is_said_and_what_no_choice_names_is_everybody(guarded, visitor_of):
    viewer = visitor_of("viewer")

    assert "None of the 4 photos is kept out." in viewer.get(f"{GALLERY}?show=out").text
    assert len(shown(viewer.get(f"{GALLERY}?show=%3Cscript%3E").text)) == 4


def test_a_shoot_has_no_rules_that_keep_anything_out(visitor):
    form = visitor.get(f"/results/tagger/{SHOOT}").text

    assert "kept out" not in form
    assert "without a result (0)" in form
