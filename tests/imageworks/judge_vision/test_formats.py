from __future__ import annotations

import pytest

from imageworks.judge_vision.formats import (
    check_color_space,
    check_format,
    format_key,
    format_of_name,
    same_color_space,
)
from photos import color
from photos.formats import Format


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sRGB", "sRGB IEC61966-2.1", True),
        ("Adobe RGB", "AdobeRGB (1998)", True),
        ("Display P3", "sRGB", False),
        ("ROMM", "romm", True),
    ],
)
def test_color_spaces_are_compared_by_what_they_mean(one, other, same):
    assert same_color_space(one, other) is same


@pytest.mark.parametrize(
    "space",
    [
        color.SRGB,
        color.ADOBE_RGB,
        color.DISPLAY_P3,
        color.PROPHOTO_RGB,
        color.REC_2020,
        color.GRAY,
        color.CMYK,
        color.LAB,
    ],
)
def test_rules_may_ask_for_every_color_space_that_a_file_is_found_to_be_in(space):
    assert check_color_space(space) == space


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.UNKNOWN])
def test_rules_may_ask_for_every_format_that_a_file_is_found_to_have(kind):
    assert check_format(kind.value.upper()) == kind.value.upper()
    assert format_key(kind.value.upper()) == kind.value


@pytest.mark.parametrize("name", ["JPG", ".jpeg", "jfif", "TIF", "HEIF"])
def test_an_extension_is_a_name_of_its_format(name):
    assert check_format(name) == name


@pytest.mark.parametrize(
    ("check", "name", "words"),
    [
        (check_format, "JPGE", "did you mean JPEG"),
        (check_format, "Polaroid", "known are AVIF, BMP"),
        (check_color_space, "sRBG", "did you mean sRGB"),
        (check_color_space, "eciRGB v2", "known are sRGB, Adobe RGB"),
    ],
)
def test_what_no_file_can_be_is_refused_with_the_nearest_name_and_those_known(check, name, words):
    with pytest.raises(ValueError, match=words):
        check(name)


def test_a_file_name_promises_the_format_of_its_extension():
    assert format_of_name("Blue Hour by Ann Lee.JPG") == "jpeg"
    assert format_of_name("Blue Hour by Ann Lee") is None
