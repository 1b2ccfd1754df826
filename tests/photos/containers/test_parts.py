from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photos.containers.jpeg import read_jpeg
from photos.containers.parts import MAX_PARTS, add_part, only_parts
from photos.containers.png import read_png
from photos.containers.reading import BrokenStructure

DATA = bytes(range(256))


@st.composite
def stretches(draw) -> list[tuple[int, int]]:
    edges = sorted(
        draw(st.lists(st.integers(0, len(DATA)), max_size=12).filter(lambda some: len(some) % 2 == 0))
    )
    return list(zip(edges[::2], edges[1::2], strict=True))


@given(stretches())
def test_the_parts_of_a_file_read_as_one_file(parts):
    expected = b"".join(DATA[start:end] for start, end in parts)
    assert only_parts(io.BytesIO(DATA), parts).read() == expected


@given(stretches(), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300))))
def test_the_parts_of_a_file_are_read_from_anywhere(parts, reads):
    expected = b"".join(DATA[start:end] for start, end in parts)
    file = only_parts(io.BytesIO(DATA), parts)
    for at, count in reads:
        assert file.seek(at) == at
        assert file.read(count) == expected[at : at + count]
    assert file.seek(0, io.SEEK_END) == len(expected)


def test_neighbors_are_one_part():
    parts: list[tuple[int, int]] = []
    for start, end in ((0, 2), (2, 5), (9, 10)):
        add_part(parts, start, end)
    assert parts == [(0, 5), (9, 10)]


def test_a_picture_in_too_many_pieces_is_refused():
    parts: list[tuple[int, int]] = []
    for number in range(MAX_PARTS):
        add_part(parts, 2 * number, 2 * number + 1)
    with pytest.raises(BrokenStructure, match="more than 1,000 pieces"):
        add_part(parts, 2 * MAX_PARTS, 2 * MAX_PARTS + 1)


@pytest.mark.parametrize(
    ("format_name", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "RGB", {"keep_rgb": True}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "LA", {}),
    ],
)
def test_a_decoder_gets_the_picture_and_none_of_its_metadata(scene, encoded, format_name, mode, options):
    picture = Image.fromarray(scene).convert(mode)
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    said = {"exif": exif.tobytes(), "icc_profile": b"SECRET" * 9_000, "comment": b"SECRET"}
    whole = encoded(picture, format_name, **options, **said)
    file = io.BytesIO(whole)
    walked = read_png(file) if format_name == "PNG" else read_jpeg(file, whole=True)
    shown = only_parts(file, walked.parts).read()
    assert b"SECRET" in whole
    assert b"SECRET" not in shown
    with Image.open(io.BytesIO(whole)) as first, Image.open(io.BytesIO(shown)) as second:
        assert first.mode == second.mode == mode
        assert np.array_equal(np.asarray(first), np.asarray(second))


def test_a_header_alone_names_no_parts(scene, encoded):
    assert read_jpeg(io.BytesIO(encoded(scene, "JPEG"))).parts == ()
