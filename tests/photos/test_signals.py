from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from photos.signals import Signals, measure

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


@pytest.fixture(scope="module", params=PHOTOS)
def photo(request):
    return np.ascontiguousarray(getattr(skimage.data, request.param)()[..., :3])


def flat(*color: int, height: int = 200, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def rises(values) -> bool:
    return all(one < other for one, other in itertools.pairwise(values))


def noisy(pixels, sigma, seed=1):
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape[:2])[..., None]
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8)


def test_a_flat_grey_has_nothing():
    signals = measure(flat(100, 100, 100))
    assert signals == Signals(
        luma_p1=100, luma_p50=100, luma_p99=100, luma_mean=100, clipped_shadows=0, clipped_highlights=0, contrast=0,
        saturation=0, colorfulness=0, sharpness=0, noise=0, edge_density=0, blockiness=1,
    )  # fmt: skip


def test_percentiles_of_a_ramp_are_its_levels():
    ramp = np.repeat(np.arange(100, 200, dtype=np.uint8), 30)
    signals = measure(np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (50, 3000, 3))))
    assert (signals.luma_p1, signals.luma_p50, signals.luma_p99) == (100, 149, 198)
    assert signals.luma_mean == pytest.approx(149.5)
    assert signals.contrast == pytest.approx(np.arange(100, 200).std() / 255)


def test_luma_weighs_the_channels_as_bt601_does():
    assert measure(flat(255, 0, 0)).luma_mean == pytest.approx(0.299 * 255, abs=0.5)
    assert measure(flat(0, 255, 0)).luma_mean == pytest.approx(0.587 * 255, abs=0.5)
    assert measure(flat(0, 0, 255)).luma_mean == pytest.approx(0.114 * 255, abs=0.5)


@pytest.mark.parametrize("rows", [0, 1, 37, 64, 65, 200])
def test_the_share_of_clipped_pixels_is_exact(rows):
    pixels = flat(128, 128, 128)
    pixels[:rows] = 255
    assert measure(pixels).clipped_highlights == rows / 200
    pixels[:rows] = 0
    assert measure(pixels).clipped_shadows == rows / 200


def test_one_full_channel_is_not_clipping():
    assert measure(flat(255, 40, 40)).clipped_highlights == 0
    assert measure(flat(0, 0, 40)).clipped_shadows == 0
    assert measure(flat(254, 255, 254)).clipped_highlights == 1
    assert measure(flat(1, 0, 1)).clipped_shadows == 1


def test_the_brighter_the_more_is_clipped(photo):
    shares = [measure(cv2.convertScaleAbs(photo, alpha=gain)).clipped_highlights for gain in (1.5, 2, 3, 5)]
    assert rises(shares)


def test_contrast_of_two_tones_is_half_their_distance():
    pixels = flat(50, 50, 50)
    pixels[:, ::2] = 150
    assert measure(pixels).contrast == pytest.approx(50 / 255)


def test_the_flatter_the_less_contrast(photo):
    values = [measure(cv2.convertScaleAbs(photo, alpha=gain, beta=64)).contrast for gain in (0.1, 0.3, 0.6)]
    assert rises(values)


def test_saturation_is_nothing_for_grey_and_all_for_a_primary():
    assert measure(flat(90, 90, 90)).saturation == 0
    assert measure(flat(255, 0, 0)).saturation == 1
    assert measure(flat(200, 100, 100)).saturation == pytest.approx(0.5)
    assert measure(flat(0, 0, 0)).saturation == 0


def test_colorfulness_is_hasler_and_suesstrunks(photo):
    sample = photo[: photo.shape[0] // 4 * 4 : 4, : photo.shape[1] // 4 * 4 : 4].astype(float)
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]
    rg, yb = red - green, (red + green) / 2 - blue
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert measure(photo).colorfulness == pytest.approx(expected)


def test_the_less_color_the_less_colorful_and_saturated(photo):
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = [measure(cv2.addWeighted(photo, share, grey, 1 - share, 0)) for share in (0, 0.3, 0.6, 1)]
    assert rises([signals.colorfulness for signals in mixed])
    assert rises([signals.saturation for signals in mixed])


def test_sharpness_is_the_variance_of_the_laplacian(photo):
    luma = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    expected = cv2.Laplacian(luma, cv2.CV_64F)[1:-1, 1:-1].var()
    assert measure(photo).sharpness == pytest.approx(expected)


def test_the_more_blurred_the_less_sharp(photo):
    values = [measure(cv2.GaussianBlur(photo, (0, 0), sigma)).sharpness for sigma in (4, 2, 1, 0.5)]
    assert rises([*values, measure(photo).sharpness])


@pytest.mark.parametrize("sigma", [1, 2, 5, 10, 20, 30])
def test_noise_on_a_flat_grey_is_found_as_it_was_made(sigma):
    assert measure(noisy(flat(128, 128, 128, height=600, width=800), sigma)).noise == pytest.approx(
        sigma, rel=0.05
    )


def test_noise_on_a_photo_is_found_within_a_fifth(photo):
    for sigma in (5, 10, 20):
        assert measure(noisy(photo, sigma)).noise == pytest.approx(sigma, rel=0.2)


def test_the_noisier_the_more_noise(photo):
    assert rises([measure(noisy(photo, sigma)).noise for sigma in (0, 2, 5, 10, 20, 40)])


def test_clipped_parts_do_not_hide_noise():
    pixels = flat(128, 128, 128, height=640, width=640)
    pixels[:400] = 255
    assert measure(noisy(pixels, 10)).noise > 0
    clipped = noisy(pixels, 10)
    clipped[:384] = 255
    assert measure(clipped).noise == pytest.approx(10, rel=0.1)


def test_edges_are_counted_where_the_step_is_above_sixteen_levels():
    pixels = flat(100, 100, 100, height=102, width=102)
    pixels[:, 51:] = 117
    assert measure(pixels).edge_density == pytest.approx(2 / 100)
    pixels[:, 51:] = 116
    assert measure(pixels).edge_density == 0


def test_the_more_blurred_the_fewer_edges(photo):
    values = [measure(cv2.GaussianBlur(photo, (0, 0), sigma)).edge_density for sigma in (8, 4, 2, 1)]
    assert rises(values)


def test_the_stronger_the_compression_the_blockier(photo):
    values = []
    for quality in (95, 80, 60, 40, 20, 10):
        _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
        values.append(measure(cv2.imdecode(data, cv2.IMREAD_COLOR)).blockiness)
    assert rises(values)


def test_blocks_are_found_wherever_their_grid_begins(photo):
    _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 20])
    blocky = cv2.imdecode(data, cv2.IMREAD_COLOR)
    whole = measure(blocky).blockiness
    assert measure(np.ascontiguousarray(blocky[3:, 5:])).blockiness == pytest.approx(whole, rel=0.05)
    assert measure(np.ascontiguousarray(np.rot90(blocky))).blockiness == pytest.approx(whole, rel=0.05)


def test_noise_alone_is_not_blocky():
    assert measure(noisy(flat(128, 128, 128, height=600, width=800), 10)).blockiness == pytest.approx(
        1, abs=0.02
    )


@pytest.mark.parametrize("height", [63, 64, 65, 127, 128, 129, 190])
def test_stripes_do_not_show(photo, height):
    part = np.ascontiguousarray(photo[:height, :200])
    luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    signals = measure(part)
    assert signals.sharpness == pytest.approx(cv2.Laplacian(luma, cv2.CV_64F)[1:-1, 1:-1].var())
    gradient = sum(np.abs(cv2.Sobel(luma, cv2.CV_64F, dx, 1 - dx)[1:-1, 1:-1]) for dx in (0, 1))
    assert signals.edge_density == pytest.approx((gradient > 64).mean())
    assert signals.luma_mean == pytest.approx(luma.mean())
    turned = measure(np.ascontiguousarray(part.transpose(1, 0, 2)))
    assert turned.blockiness == pytest.approx(signals.blockiness)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 80), st.integers(1, 80)).flatmap(
        lambda shape: arrays.arrays(np.uint8, (*shape, 3), fill=st.integers(0, 255))
    )
)
def test_any_pixels_give_finite_numbers_within_their_ranges(pixels):
    signals = measure(pixels)
    assert all(math.isfinite(value) and value >= 0 for value in signals.as_dict().values())
    for name in ("clipped_shadows", "clipped_highlights", "contrast", "saturation", "edge_density"):
        assert 0 <= getattr(signals, name) <= 1
    assert signals.luma_p1 <= signals.luma_p50 <= signals.luma_p99 <= 255


def test_measuring_leaves_the_pixels_alone_and_gives_the_same_again(photo):
    before = photo.copy()
    assert measure(photo) == measure(photo)
    assert np.array_equal(photo, before)


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4), (0, 10, 3)])
def test_other_arrays_are_refused(shape):
    with pytest.raises(ValueError, match="signals are measured on"):
        measure(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float"):
        measure(np.zeros((4, 4, 3)))
