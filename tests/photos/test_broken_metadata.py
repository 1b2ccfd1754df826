"""Metadata that cannot be read are absent metadata: the picture and its id are what they are without them."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest
from made_up_chunks import png_chunk, webp_chunk, with_png_chunks, with_webp_chunks
from PIL import Image

from photos.decoding import decode
from photos.errors import TooManyPixels
from photos.facts import read_facts
from photos.identity import photo_id

UNREADABLE = {
    "a profile that does not unpack": lambda: png_chunk(b"iCCP", b"a\0\0garbage"),
    "a profile larger than any": lambda: png_chunk(b"iCCP", b"a\0\0" + bytes(17 << 20)),
    "exif as garbled text": lambda: png_chunk(b"zTXt", b"Raw profile type exif\0\0garbage"),
    "exif as a text larger than any": lambda: png_chunk(
        b"tEXt", b"Raw profile type exif\0" + bytes(17 << 20)
    ),
    "exif larger than any": lambda: png_chunk(b"eXIf", bytes(17 << 20)),
    "a text that unpacks to too much": lambda: png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20 << 20))),
    "a text with a wrong checksum": lambda: png_chunk(b"tEXt", b"a\0b", checksum=0),
    "a large chunk of a program's own": lambda: png_chunk(b"prVt", bytes(20 << 20)),
}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("what", UNREADABLE)
def test_a_png_is_not_lost_for_metadata_that_cannot_be_read(save, scene, what, mode):
    path = save("a.png", Image.fromarray(scene).convert(mode))
    plain, data = photo_id(path), path.read_bytes()
    path.write_bytes(with_png_chunks(data, UNREADABLE[what]()))
    assert np.array_equal(decode(path).pixels, scene)
    assert photo_id(path) == plain


@pytest.mark.parametrize("kind", [b"ICCP", b"EXIF"])
def test_a_webp_is_not_lost_for_metadata_larger_than_any(save, scene, kind):
    path = save("a.webp", scene, lossless=True)
    plain, data = photo_id(path), path.read_bytes()
    path.write_bytes(with_webp_chunks(data, webp_chunk(kind, bytes(17 << 20))))
    assert np.array_equal(decode(path).pixels, scene)
    assert photo_id(path) == plain


def test_a_canvas_that_comes_late_in_a_webp_is_not_believed(save, scene):
    path = save("a.webp", scene)
    late = webp_chunk(b"VP8X", bytes(4) + (9).to_bytes(3, "little") * 2)
    path.write_bytes(with_webp_chunks(path.read_bytes(), late))
    facts = read_facts(path)
    assert (facts.width, facts.height) == (320, 240)
    with pytest.raises(TooManyPixels, match="320 x 240"):
        decode(path, max_pixels=320 * 240 - 1)


def test_a_png_whose_profile_is_a_bomb_is_read_without_it_and_stays_small(save, scene):
    path = save("a.png", scene)
    body = b"bomb\0\0" + zlib.compress(bytes(200 << 20), 9)
    path.write_bytes(with_png_chunks(path.read_bytes(), png_chunk(b"iCCP", body)))
    tracemalloc.start()
    try:
        picture = decode(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert np.array_equal(picture.pixels, scene)
