"""The check that tells how many critiques are not as the judge was asked to write them."""

from pathlib import Path

import pytest

from imageworks_dagster.checking import Checked, critiques_as_asked
from imageworks_dagster.tables import SIGNALS

RIGHT = {
    "entry_id": "round/a.jpg",
    "impact": 16,
    "composition": 16,
    "technique": 15,
    "score": 16,
    "critique": "word " * 120,
    "improvement": "Crop.",
}
FAILED = dict.fromkeys(RIGHT)


@pytest.fixture
def check(platform):
    def checked(rows, signals=None):
        database = platform.store.database
        return critiques_as_asked(
            Checked(
                "judge/critiques", Path(), entries=[], rows=rows, database=database, signals=signals or {}
            )
        )

    return checked


def test_critiques_as_asked_pass_and_entries_without_one_are_passed_over(check):
    outcome = check([RIGHT] * 10 + [FAILED])

    assert outcome.passed
    assert set(outcome.metadata.values()) == {0, ""}


@pytest.mark.parametrize(
    ("wrong", "counted"),
    [
        ({"critique": "Too short."}, "outside_length"),
        ({"score": 19}, "outside_score"),
        ({"critique": "This image shows " + "word " * 117}, "stock_phrases"),
        ({"improvement": "Crop the left. Also lift the shadows."}, "improvements"),
    ],
)
def test_more_than_one_in_ten_that_is_not_so_is_a_warning_with_its_number(check, wrong, counted):
    few, many = check([{**RIGHT, **wrong}] + [RIGHT] * 9), check([{**RIGHT, **wrong}] * 2 + [RIGHT] * 9)

    assert (few.passed, many.passed) == (True, False)
    assert (few.metadata[counted], many.metadata[counted]) == (1, 2)
    assert not many.grave
    assert "of 11 critiques" in many.description


def test_without_a_critique_there_is_nothing_to_warn_of(check):
    assert check([FAILED]).passed


def test_claims_against_what_was_measured_are_counted_and_named(check):
    measured = {column.name: 20.0 for column in SIGNALS} | {"luma_mean": 230.0}
    outcome = check(
        [{**RIGHT, "critique": "It is underexposed. " + "word " * 117}], {RIGHT["entry_id"]: measured}
    )
    assert not outcome.passed
    assert outcome.metadata["contradicted"] == "round/a.jpg: It says 'underexposed', but it is bright."
