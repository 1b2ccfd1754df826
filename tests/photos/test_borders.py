from __future__ import annotations

import numpy as np
import pytest
from bordered_photos import border_tallies
from hypothesis import given
from hypothesis import strategies as st
from public_photos import HELD_OUT, public_photo
from soak import amount

from photos.borders import Borders, draw_borders, find_borders
from photos.evidence import EVIDENCE_SIDE


def framed(widths, color, name="coffee"):
    top, right, bottom, left = widths
    photo = public_photo(name)
    return np.stack(
        [
            np.pad(photo[..., channel], ((top, bottom), (left, right)), constant_values=color[channel])
            for channel in range(3)
        ],
        axis=2,
    )


@pytest.fixture(scope="module")
def tallies():
    return border_tallies(HELD_OUT, each=amount(20, 8), seed=7)


@pytest.mark.slow
def test_wide_borders_are_found_on_photos_it_was_not_tuned_on(tallies):
    assert tallies["wide"].f1 >= 0.97


@pytest.mark.slow
def test_thin_strokes_are_found_on_photos_it_was_not_tuned_on(tallies):
    assert tallies["thin"].f1 >= 0.95


@pytest.mark.slow
def test_a_dark_photo_is_not_said_to_have_a_near_black_border(tallies):
    assert tallies["near-black"].precision >= 0.99
    assert tallies["near-black"].recall >= 0.8


@pytest.mark.slow
def test_one_side_alone_is_only_possible(tallies):
    assert tallies["possible"].recall >= 0.8


@pytest.mark.parametrize(
    ("widths", "kind"),
    [
        ((2,) * 4, "stroke"),
        ((12,) * 4, "frame"),
        ((40,) * 4, "mat"),
        ((30, 0, 30, 0), "bars"),
        ((0, 15, 0, 0), "possible"),
        ((0, 0, 0, 0), "none"),
    ],
)
def test_borders_are_named_by_what_they_surround_and_how_wide_they_are(widths, kind):
    found = find_borders(framed(widths, (250, 250, 250)))
    assert (found.kind, found.widths) == (kind, widths)


def test_the_color_is_that_of_the_outermost_line():
    assert find_borders(framed((0, 0, 20, 0), (30, 60, 90))).color == (30, 60, 90)
    assert find_borders(framed((9, 9, 9, 9), (255, 0, 0))).color == (255, 0, 0)


def test_a_mat_with_a_keyline_ends_behind_the_keyline():
    inner = np.pad(public_photo("coffee"), ((3, 3), (3, 3), (0, 0)), constant_values=0)
    assert find_borders(np.pad(inner, ((20, 20), (20, 20), (0, 0)), constant_values=255)).widths == (23,) * 4


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_a_picture_of_one_color_has_no_border(height, width, level):
    flat = np.full((height, width, 3), level, np.uint8)
    assert find_borders(flat) == Borders("none", 1.0)


@given(st.integers(0, 3))
def test_widths_turn_with_the_picture(turns):
    widths = (10, 12, 25, 14)
    found = find_borders(np.ascontiguousarray(np.rot90(framed(widths, (0, 0, 0)), turns)))
    assert found.widths == pytest.approx(widths[turns:] + widths[:turns], abs=1)


@pytest.mark.parametrize("widths", [(2,) * 4, (30, 0, 30, 0), (0, 15, 0, 0), (0, 0, 9, 0)])
def test_the_evidence_is_a_small_picture_with_a_corner_enlarged(widths):
    pixels = framed(widths, (250, 250, 250))
    drawn = draw_borders(pixels, find_borders(pixels))
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] > EVIDENCE_SIDE >= drawn.shape[0]
    assert (drawn == (255, 0, 255)).all(axis=2).any()
