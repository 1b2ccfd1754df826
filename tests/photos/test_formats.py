from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.formats import EXTENSIONS, HEADER_BYTES, RAW_EXTENSIONS, Format, sniff


@pytest.mark.parametrize(
    ("pillow_name", "expected"),
    [
        ("JPEG", Format.JPEG),
        ("PNG", Format.PNG),
        ("WEBP", Format.WEBP),
        ("TIFF", Format.TIFF),
        ("GIF", Format.GIF),
        ("BMP", Format.BMP),
        ("AVIF", Format.AVIF),
    ],
)
def test_what_encoders_write_is_recognized(encoded, scene, pillow_name, expected):
    assert sniff(encoded(scene, pillow_name)[:HEADER_BYTES]) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"8BPS\0\x01" + bytes(20), Format.PSD),
        (b"\xff\x0a" + bytes(20), Format.JXL),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), Format.JXL),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Format.HEIC),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Format.AVIF),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Format.HEIC),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", Format.RAW),
        (b"\0\0\0\x18ftypisom\0\0\0\x01isommp41", Format.UNKNOWN),
        (b"II*\0\x10\0\0\0CR\x02\0", Format.RAW),
        (b"MM\0+\0\x08\0\0" + bytes(8), Format.TIFF),
        (b"FUJIFILMCCD-RAW 0201", Format.RAW),
        (b"RIFF\0\0\0\0WAVE", Format.UNKNOWN),
        (b"BMW is a make of car, and this a text", Format.UNKNOWN),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Format.UNKNOWN),
        (b"", Format.UNKNOWN),
    ],
)
def test_headers_are_told_apart(header, expected):
    assert sniff(header) is expected


@given(st.binary(max_size=HEADER_BYTES))
def test_no_header_upsets_it(header):
    assert sniff(header) in Format


def test_extensions_are_in_lower_case_with_their_dot():
    assert all(extension == extension.lower() and extension.startswith(".") for extension in EXTENSIONS)
    assert RAW_EXTENSIONS < EXTENSIONS
