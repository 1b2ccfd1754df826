from __future__ import annotations

import pyexiv2
import pytest
from PIL import Image

from photos.location import read_location
from photos.raw import read_raw_header

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


def test_a_raw_files_header_says_where_it_was_taken(dng):
    with pyexiv2.Image(str(dng)) as opened:
        opened.modify_exif(
            {
                "Exif.GPSInfo.GPSLatitudeRef": "N",
                "Exif.GPSInfo.GPSLatitude": "45/1 45/1 5260/100",
                "Exif.GPSInfo.GPSLongitudeRef": "E",
                "Exif.GPSInfo.GPSLongitude": "10/1 48/1 3130/100",
            }
        )
    with dng.open("rb") as file:
        header = read_raw_header(dng, file)
    assert header.exif.location == pytest.approx((45.7646, 10.8087), abs=1e-4)
