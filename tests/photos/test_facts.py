from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from photos.color import matrix_profile
from photos.errors import EmptyFile, NotAPicture, UnsupportedFormat
from photos.facts import read_facts


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.jpg", "jpeg"), ("a.png", "png"), ("a.webp", "webp"), ("a.tif", "tiff"), ("a.gif", "gif"), ("a.bmp", "bmp"),
     ("a.avif", "avif")],
)  # fmt: skip
def test_format_and_size_are_read_from_the_header(save, scene, name, expected):
    facts = read_facts(save(name, scene))
    assert (facts.format, facts.width, facts.height, facts.orientation) == (expected, 320, 240, 1)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("turned", [(1, (320, 240)), (3, (320, 240)), (6, (240, 320))])
def test_width_and_height_are_as_seen(save, scene, exif, name, turned):
    orientation, size = turned
    facts = read_facts(save(name, scene, exif=exif(orientation)))
    assert (facts.orientation, (facts.width, facts.height)) == (orientation, size)


@pytest.mark.parametrize("nonsense", [0, 9, 60000])
def test_an_orientation_that_does_not_exist_is_none(save, scene, exif, nonsense):
    assert read_facts(save("a.jpg", scene, exif=exif(nonsense))).orientation == 1


def test_a_misnamed_file_is_what_it_is(save, scene):
    path = save("a.png", scene)
    assert read_facts(path.rename(path.with_suffix(".jpg"))).format == "png"


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [("L", "a.jpg", ("L", 8)), ("CMYK", "a.jpg", ("CMYK", 8)), ("RGBA", "a.png", ("RGBA", 8)),
     ("LA", "a.png", ("LA", 8)), ("1", "a.png", ("L", 1)), ("P", "a.png", ("P", 8)),
     ("CMYK", "a.tif", ("CMYK", 8)), ("1", "a.tif", ("1", 1)), ("P", "a.tif", ("P", 8))],
)  # fmt: skip
def test_mode_and_bits_are_as_stored(save, scene, mode, name, expected):
    facts = read_facts(save(name, Image.fromarray(scene).convert(mode)))
    assert (facts.mode, facts.bits) == expected


def test_sixteen_bits_are_told(tmp_path, scene):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, scene.astype(np.uint16) * 257, photometric="rgb")
    assert read_facts(path).bits == 16


def test_frames_and_pages_are_counted(save, scene, tmp_path):
    more = [Image.fromarray(scene[::-1]), Image.fromarray(scene[:, ::-1])]
    for name in ("a.gif", "a.png", "a.webp", "a.avif", "a.tif"):
        assert read_facts(save(name, scene, save_all=True, append_images=more)).frames == 3, name
    assert read_facts(save("one.gif", scene)).frames == 1


@pytest.mark.parametrize(
    "written",
    [
        (None, "2024-05-01T12:30:05"),
        ("+02:00", "2024-05-01T12:30:05+02:00"),
        ("nonsense", "2024-05-01T12:30:05"),
    ],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_the_time_is_told_as_the_camera_wrote_it(save, scene, exif, name, written):
    zone, expected = written
    path = save(name, scene, exif=exif(taken="2024:05:01 12:30:05", zone=zone))
    assert read_facts(path).captured_at == expected


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "ignore all instructions"])
def test_a_time_that_is_none_is_not_told(save, scene, exif, taken):
    assert read_facts(save("a.jpg", scene, exif=exif(taken=taken))).captured_at is None


def test_a_profile_is_named_by_what_it_does(save, scene, srgb, adobe_rgb):
    assert read_facts(save("a.jpg", scene, icc_profile=srgb)).color_space == "sRGB"
    facts = read_facts(save("b.jpg", scene, icc_profile=adobe_rgb))
    assert (facts.color_space, facts.icc_name) == ("Adobe RGB", "Adobe RGB (1998)")
    liar = matrix_profile("sRGB IEC61966-2.1", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
    assert read_facts(save("c.jpg", scene, icc_profile=liar)).color_space == "Adobe RGB"


@pytest.mark.parametrize(
    ("primaries", "white", "expected"),
    [
        (((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), (0.3127, 0.329), "Display P3"),
        (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), "ProPhoto RGB"),
        (((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)), (0.3127, 0.329), "Rec. 2020"),
        (((0.60, 0.35), (0.30, 0.55), (0.16, 0.10)), (0.3127, 0.329), "other RGB"),
    ],
)
def test_other_color_spaces_are_told_by_their_primaries(save, scene, primaries, white, expected):
    icc = matrix_profile("any name", primaries, 1.8, white)
    assert read_facts(save("a.jpg", scene, icc_profile=icc)).color_space == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"color_space": 1}, "sRGB"),
        ({"color_space": 2}, "Adobe RGB"),
        ({"color_space": 0xFFFF, "interoperability": "R03"}, "Adobe RGB"),
        ({"color_space": 0xFFFF}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_without_a_profile_exif_is_asked(save, scene, exif, options, expected):
    facts = read_facts(save("a.jpg", scene, exif=exif(**options)))
    assert (facts.color_space, facts.icc_name) == (expected, None)


def test_a_profile_that_cannot_be_read_is_said_to_be_so(save, scene):
    facts = read_facts(save("a.jpg", scene, icc_profile=b"no profile at all" * 20))
    assert (facts.color_space, facts.icc_name) == ("unknown", "unreadable profile")


def test_a_profile_in_several_segments_is_put_together(save, scene, srgb):
    padded = srgb + bytes(150_000)
    facts = read_facts(save("a.jpg", scene, icc_profile=len(padded).to_bytes(4, "big") + padded[4:]))
    assert facts.color_space == "sRGB"


def test_cmyk_and_lab_are_color_spaces_of_their_own(save, scene):
    cmyk = save("a.jpg", Image.fromarray(scene).convert("CMYK"))
    assert read_facts(cmyk).color_space == "CMYK"
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.applyTransform(Image.fromarray(scene), ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    assert read_facts(save("a.tif", lab)).color_space == "Lab"


def test_facts_are_plain_values(save, scene):
    facts = read_facts(save("a.jpg", scene)).as_dict()
    assert json.loads(json.dumps(facts)) == facts


def test_an_empty_file_is_told_apart(tmp_path):
    path = tmp_path / "a.jpg"
    path.touch()
    with pytest.raises(EmptyFile, match="0 bytes"):
        read_facts(path)


def test_a_text_is_no_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("This is no picture.", encoding="utf-8")
    with pytest.raises(NotAPicture, match="whatever its name says"):
        read_facts(path)


def test_jpeg_xl_is_known_but_not_read(tmp_path):
    path = tmp_path / "a.jxl"
    path.write_bytes(b"\xff\x0a" + bytes(100))
    with pytest.raises(UnsupportedFormat, match="JPEG XL"):
        read_facts(path)
