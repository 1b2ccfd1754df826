"""What the networks look at: upright, RGB, the right size, whatever came."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from backends.iqa.errors import PictureRefused
from backends.iqa.pictures import MUSIQ_LONG_SIDE, nima_square, prepare

BOTH = {"nima", "musiq"}


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def quarters(width=80, height=60):
    """Red, green, blue and white quarters: which way up it is shows in each."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 250, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 250)
    pixels[height // 2 :, width // 2 :] = (250, 250, 250)
    return Image.fromarray(pixels)


def seen(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_nima_sees_a_square_of_the_whole_picture_by_the_nearest_pixel(kind):
    data = encoded(quarters(), kind, quality=95) if kind != "PNG" else encoded(quarters())
    square = prepare(data, BOTH).square
    plain = Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224), Image.Resampling.NEAREST)
    assert square.shape == (224, 224, 3)
    assert np.abs(square.astype(int) - np.asarray(plain)).max() <= 2
    if kind == "PNG":
        assert np.array_equal(square, plain)


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixels_becomes_rgb(mode):
    grey = Image.new("L", (50, 40), 100)
    picture = (
        Image.fromarray(np.full((40, 50), 100 * 256, np.uint16)) if mode == "I;16" else grey.convert(mode)
    )
    prepared = prepare(encoded(picture, "TIFF" if mode in {"CMYK", "I;16"} else "PNG"), BOTH)
    assert prepared.square.shape == (224, 224, 3)
    assert seen(prepared.jpeg).shape == (40, 50, 3)


def test_a_grey_jpeg_has_three_channels_for_musiq():
    data = encoded(Image.new("L", (50, 40), 100), "JPEG")
    assert Image.open(io.BytesIO(data)).mode == "L"
    assert Image.open(io.BytesIO(prepare(data, {"musiq"}).jpeg)).mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_baked_in_for_both(orientation):
    upright = np.asarray(quarters())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.ascontiguousarray(stored))
    prepared = prepare(encoded(picture, "JPEG", quality=95, subsampling=0, exif=exif), BOTH)
    jpeg = Image.open(io.BytesIO(prepared.jpeg))
    assert jpeg.getexif() == {}
    for made in (prepared.square, np.asarray(jpeg)):
        height, width = made.shape[:2]
        found = [
            made[y, x].astype(int) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)
        ]
        expected = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)]
        assert np.abs(np.array(found) - expected).max() < 8


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((6000, 4000), (1024, 683)),
        ((1000, 3000), (341, 1024)),
        ((1024, 768), (1024, 768)),
        ((30, 20), (30, 20)),
        ((5000, 2), (1024, 1)),
    ],
)
def test_musiq_sees_no_longer_side_than_the_cap_and_nothing_enlarged(size, shown):
    jpeg = prepare(encoded(Image.new("RGB", size, (1, 2, 3)), "JPEG"), {"musiq"}).jpeg
    assert Image.open(io.BytesIO(jpeg)).size == shown
    assert max(shown) <= MUSIQ_LONG_SIDE


def test_encoding_for_musiq_loses_next_to_nothing():
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    jpeg = prepare(encoded(Image.fromarray(picture)), {"musiq"}).jpeg
    assert np.abs(seen(jpeg).astype(int) - picture).mean() < 1


def test_only_what_is_looked_at_is_made():
    data = encoded(quarters())
    assert prepare(data, {"nima"}).jpeg is None
    assert prepare(data, {"musiq"}).square is None


def test_a_bomb_is_refused_from_its_header():
    data = encoded(Image.new("1", (20_000, 20_000)))
    assert len(data) < 100_000
    with pytest.raises(PictureRefused) as refused:
        prepare(data, BOTH)
    assert refused.value.error_class == "too_many_pixels"


def test_a_refusal_names_no_path():
    with pytest.raises(PictureRefused) as refused:
        prepare(b"no picture", BOTH)
    assert str(refused.value).startswith("The picture ")
    assert "/" not in str(refused.value).split(";")[0]


def test_the_square_of_an_odd_size_is_the_nearest_pixels():
    pixels = np.arange(3 * 7 * 5, dtype=np.uint8).reshape(7, 5, 3)
    square = nima_square(pixels)
    assert {tuple(one) for one in square.reshape(-1, 3)} == {tuple(one) for one in pixels.reshape(-1, 3)}
