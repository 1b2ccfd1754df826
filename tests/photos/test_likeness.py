from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from alike_photos import alike_scores
from public_photos import HELD_OUT, public_photo, through_jpeg, with_grain
from soak import amount

from photos.likeness import describe, draw_alike, find_alike


@pytest.fixture(scope="module")
def scores():
    return alike_scores(HELD_OUT, edits=amount(3, 2), frames=1, seed=7)


@pytest.mark.slow
def test_edits_of_one_picture_are_found_among_photos_it_was_not_tuned_on(scores):
    assert scores.same.f1 >= 0.95


@pytest.mark.slow
def test_no_other_photo_is_taken_for_an_edit(scores):
    assert scores.same.precision >= 0.97


@pytest.mark.slow
def test_another_frame_is_seldom_taken_for_the_same_picture(scores):
    assert scores.frames_told_apart >= 0.95


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_photo_is_the_same_and_laid_over_the_first(turns, mirrored):
    photo = public_photo("chelsea")
    other = np.ascontiguousarray(np.rot90(photo[:, ::-1] if mirrored else photo, turns))
    (alike,) = find_alike([describe(photo), describe(other)])
    assert (alike.first, alike.second, alike.kind) == (0, 1, "same")
    assert alike.overlap == pytest.approx(1, abs=0.03)


def test_the_two_eyes_of_a_stereo_camera_took_two_frames():
    left, right, _ = skimage.data.stereo_motorcycle()
    assert [alike.kind for alike in find_alike([describe(left), describe(right)])] in (["frame"], [])


def smeared():
    """A part of the cat from a camera that was moved while it was open, with grain."""
    along = np.full((1, 21), 1 / 21, np.float32)
    smeared = cv2.filter2D(public_photo("chelsea")[:150, :225], -1, along)
    large = np.asarray(cv2.resize(smeared, (640, 427), interpolation=cv2.INTER_CUBIC), np.uint8)
    return with_grain(large, np.random.default_rng(1), 2)


def alone(*, left=0):
    """A plain wall with one soft thing on it, so many pixels from its place."""
    thing = cv2.GaussianBlur(public_photo("astronaut")[20:120, 170:270], (0, 0), 3)
    picture = np.full((300, 400, 3), 110, np.uint8)
    picture[150:250, 250 - left : 350 - left] = thing
    return with_grain(np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8), np.random.default_rng(1), 2)


def darker(pixels):
    return through_jpeg(((pixels / 255.0) ** 1.3 * 255).astype(np.uint8), 70)


@pytest.mark.parametrize("photo", [smeared(), alone()], ids=["smeared", "alone"])
def test_a_darker_crop_of_a_photo_with_nothing_sharp_in_it_is_the_same_picture(photo):
    crop = darker(np.ascontiguousarray(photo[10:-40, 45:-10]))
    assert [found.kind for found in find_alike([describe(photo), describe(crop)])] == ["same"]


def test_where_the_only_thing_to_be_seen_has_moved_it_is_another_frame():
    found = find_alike([describe(alone()), describe(alone(left=8))])
    assert [alike.kind for alike in found] in (["frame"], [])


def test_flat_and_tiny_pictures_are_like_nothing():
    flat = [np.full((height, 40, 3), level, np.uint8) for height, level in ((1, 0), (30, 0), (40, 255))]
    assert find_alike([describe(pixels) for pixels in flat]) == []
    assert find_alike([]) == []


def test_the_evidence_shows_both():
    photo = public_photo("chelsea")
    other = np.ascontiguousarray(photo[20:280, 30:430])
    (alike,) = find_alike([describe(photo), describe(other)])
    drawn = draw_alike(photo, other, alike)
    assert (drawn[:, :400] == (255, 0, 255)).all(axis=2).any()
    assert drawn.shape[1] == 400 + 8 + 400
