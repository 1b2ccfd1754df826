"""The check that tells how many critiques are not as the judge was asked to write them."""

from pathlib import Path

import pytest

from imageworks_dagster.checking import Checked, critiques_as_asked

RIGHT = {
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
    def checked(rows):
        database = platform.store.database
        return critiques_as_asked(
            Checked("judge/critiques", Path(), entries=[], rows=rows, database=database)
        )

    return checked


def test_critiques_as_asked_pass_and_entries_without_one_are_passed_over(check):
    outcome = check([RIGHT] * 10 + [FAILED])

    assert outcome.passed
    assert outcome.metadata == {"outside_length": 0, "outside_score": 0}


@pytest.mark.parametrize(
    ("wrong", "counted"), [({"critique": "Too short."}, "outside_length"), ({"score": 19}, "outside_score")]
)
def test_more_than_one_in_ten_that_is_not_so_is_a_warning_with_its_number(check, wrong, counted):
    few, many = check([{**RIGHT, **wrong}] + [RIGHT] * 9), check([{**RIGHT, **wrong}] * 2 + [RIGHT] * 9)

    assert (few.passed, many.passed) == (True, False)
    assert (few.metadata[counted], many.metadata[counted]) == (1, 2)
    assert not many.grave
    assert "of 11 critiques" in many.description


def test_without_a_critique_there_is_nothing_to_warn_of(check):
    assert check([FAILED]).passed
