from __future__ import annotations

import numpy as np
import pytest
from public_photos import HELD_OUT, HELD_OUT_IN_COLOR, public_photo
from soak import amount
from toned_photos import mono_scores

from photos.monochrome import draw_monochrome, find_monochrome


@pytest.fixture(scope="module")
def scores():
    return mono_scores(HELD_OUT, HELD_OUT_IN_COLOR, each=amount(20, 8), seed=7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "least"), [("grey", 0.99), ("toned", 0.95), ("split", 0.8), ("partial", 0.95), ("color", 0.9)]
)
def test_each_kind_is_told_on_photos_it_was_not_tuned_on(scores, family, least):
    assert scores.right[family] >= least


@pytest.mark.slow
def test_what_is_eligible_is_decided_rightly_and_seldom_left_open(scores):
    assert scores.eligible >= 0.94
    assert scores.unsure <= 0.05


@pytest.fixture(scope="module")
def spotted():
    """Grey, but for the astronaut's right half of the picture."""
    photo = public_photo("astronaut").copy()
    photo[:, :256] = photo[:, :256].mean(axis=2, keepdims=True).astype(np.uint8)
    return photo


def test_a_photo_of_one_color_all_over_is_toned_and_not_grey():
    assert find_monochrome(np.full((50, 80, 3), (150, 120, 90), np.uint8)).kind == "toned"


def test_black_and_white_are_grey():
    assert find_monochrome(np.zeros((40, 40, 3), np.uint8)).kind == "grey"
    assert find_monochrome(np.full((1, 1, 3), 255, np.uint8)).kind == "grey"


def test_muted_color_of_one_hue_is_not_taken_for_a_tint():
    """Its hue is one as in a toned photo, but its strength does not depend on lightness alone."""
    middle = public_photo("retina")[350:1050, 350:1050].astype(np.float32)
    grey = middle.mean(axis=2, keepdims=True)
    muted = find_monochrome((grey + (middle - grey) / 2).astype(np.uint8))
    assert muted.hue_spread < 10
    assert muted.kind == "unsure"


def test_turning_a_photo_changes_nothing():
    photo = public_photo("chelsea")
    one, other = find_monochrome(photo), find_monochrome(np.ascontiguousarray(np.rot90(photo)))
    assert (one.kind, one.color_share) == (other.kind, pytest.approx(other.color_share, abs=0.02))


def test_the_map_keeps_the_colors_where_color_is(spotted):
    drawn = draw_monochrome(spotted)
    colored = np.ptp(drawn[:, -384:].astype(int), axis=2) > 20
    assert colored[:, 192:].mean() > 10 * colored[:, :160].mean()
