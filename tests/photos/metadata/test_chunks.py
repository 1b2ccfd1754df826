from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_chunks import png_chunk, webp_chunk, with_png_chunks, with_webp_chunks
from PIL import Image

from photos.formats import Format
from photos.metadata.chunks import lost
from photos.metadata.errors import MetadataWouldBeLost
from photos.metadata.fields import MetadataFields

FIELDS = MetadataFields(title="Boats", description="Two boats at the quay", keywords=("harbor", "boat"))


GERMAN = png_chunk(b"iTXt", b"Description\0\0\0de\0Beschreibung\0" + "Großmutter am See".encode())


def test_a_png_whose_text_in_another_language_would_go_is_left_alone(make_photo, writer):
    path = make_photo("photo.png")
    english = png_chunk(b"tEXt", b"Description\0At the lake")
    path.write_bytes(with_png_chunks(path.read_bytes(), english, GERMAN))
    before = path.read_bytes()
    with pytest.raises(
        MetadataWouldBeLost, match=r"photo\.png: .* the text Description; the photo was left alone"
    ):
        writer.write(path, FIELDS)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        (b"tEXt", b"Description\0At the lake"),
        (b"zTXt", b"Description\0\0" + zlib.compress(b"At the lake")),
        (b"iTXt", b"Description\0\0\0\0\0" + "Am Großen See".encode()),
    ],
    ids=["plain", "compressed", "international"],
)
def test_a_text_that_is_only_spelled_otherwise_is_not_lost(make_photo, writer, text):
    path = make_photo("photo.png")
    others = png_chunk(b"tEXt", b"Author\0Member 07"), png_chunk(b"prVt", b"a program's own")
    path.write_bytes(with_png_chunks(path.read_bytes(), png_chunk(*text), *others))
    assert writer.write(path, FIELDS).changed
    with Image.open(path) as image:
        assert image.text["Description"] in {"At the lake", "Am Großen See"}
        assert image.text["Author"] == "Member 07"
    assert b"a program's own" in path.read_bytes()


@pytest.mark.parametrize("name", ["photo.png", "photo.webp"])
def test_what_follows_a_files_end_is_kept_or_the_photo_left_alone(make_photo, writer, name):
    path = make_photo(name)
    path.write_bytes(path.read_bytes() + b"a phone's trailer")
    before = path.read_bytes()
    with pytest.raises(MetadataWouldBeLost, match="the bytes behind its end"):
        writer.write(path, FIELDS)
    assert path.read_bytes() == before


def test_chunks_of_others_in_a_webp_stay(make_photo, writer):
    path = make_photo("photo.webp")
    path.write_bytes(with_webp_chunks(path.read_bytes(), webp_chunk(b"C2PA", b"abcde")))
    writer.write(path, FIELDS)
    assert b"C2PA\x05\0\0\0abcde" in path.read_bytes()


@pytest.mark.parametrize("kind", [Format.PNG, Format.WEBP])
@given(head=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP", b""]), data=st.binary(max_size=200))
def test_any_bytes_are_compared(kind, head, data):
    assert lost(head + data, head + data, kind) == ()
