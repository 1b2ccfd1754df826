"""Pictures that a request brings."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.errors import BadRequest, TooLarge
from gateway.pictures import checked_type, refuse_picture


def uri_of(data):
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def jpeg(side, **options):
    made = io.BytesIO()
    Image.effect_noise((side, side), 90).save(made, "JPEG", **options)
    return made.getvalue()


def refuse(uri, max_pixels=10**6):
    refuse_picture(uri, param="image", max_pixels=max_pixels)


@pytest.mark.parametrize("side", [8, 600])
def test_a_picture_is_taken_and_its_size_is_known_by_its_header(side):
    refuse(uri_of(jpeg(side)), max_pixels=side * side)
    with pytest.raises(TooLarge, match=f"{side}x{side}"):
        refuse(uri_of(jpeg(side)), max_pixels=side * side - 1)


def test_a_header_that_comes_late_is_found_all_the_same():
    late = jpeg(600, icc_profile=bytes(200_000))
    with pytest.raises(TooLarge, match="600x600"):
        refuse(uri_of(late), max_pixels=1)


@pytest.mark.parametrize("side", [8, 600])
def test_a_jpeg_with_more_pictures_behind_it_is_one(side):
    made = io.BytesIO()
    first, behind = (Image.effect_noise((side, side), 90) for _ in range(2))
    first.save(made, "MPO", save_all=True, append_images=[behind])
    assert checked_type(made.getvalue(), param="image", max_pixels=10**6) == "image/jpeg"
    refuse(uri_of(made.getvalue()))


@given(st.text(alphabet="Aa+/=%é \n", max_size=12))
def test_what_is_not_base64_is_refused_as_such(text):
    try:
        base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        with pytest.raises(BadRequest) as refused:
            refuse(f"data:image/jpeg;base64,{text}")
        assert refused.value.code == "image_base64"
    else:
        with pytest.raises(BadRequest) as refused:
            refuse(f"data:image/jpeg;base64,{text}")
        assert refused.value.code in {"image_base64", "image_broken"}
