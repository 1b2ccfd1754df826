from __future__ import annotations

import pytest
from PIL import Image

from photos.location import read_location

PLACE = {1: "N", 2: (45.0, 45.0, 52.6), 3: "E", 4: (10.0, 48.0, 31.3)}


def photo(folder, gps, kind="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = 1  # Pillow leaves out a block whose first directory is empty
    exif.get_ifd(0x8825).update(gps)
    path = folder / f"a.{kind.lower()}"
    Image.new("RGB", (8, 8)).save(path, kind, exif=exif)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_degrees_minutes_and_seconds_become_degrees(tmp_path, kind):
    assert read_location(photo(tmp_path, PLACE, kind)) == pytest.approx((45.7646, 10.8087), abs=1e-4)


def test_south_and_west_are_negative(tmp_path):
    assert read_location(photo(tmp_path, {**PLACE, 1: "S", 3: "W"})) == pytest.approx(
        (-45.7646, -10.8087), abs=1e-4
    )


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {2: (45.0, 45.0, 0.0)},
        {**PLACE, 2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
        {**PLACE, 2: (95.0, 0.0, 0.0)},
        {**PLACE, 4: (10.0, 0.0)},
    ],
)
def test_what_is_no_position_says_none(tmp_path, gps):
    assert read_location(photo(tmp_path, gps)) is None
