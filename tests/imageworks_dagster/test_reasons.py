"""Of which asset a step is, for people who are told why it failed."""

import pytest

from imageworks_dagster.reasons import asset_of


@pytest.mark.parametrize(
    "step", ["judge__critiques", "judge__critiques.divide", "judge__critiques.part[2_of_3]"]
)
def test_a_step_and_the_part_of_one_are_of_their_asset(step):
    assert asset_of(step) == "judge/critiques"


def test_a_step_of_no_stage_is_called_as_it_is():
    assert asset_of("judge__critiques_checks") == "judge__critiques_checks"
