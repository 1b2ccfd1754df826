from __future__ import annotations

import hashlib
import io
import itertools
import struct

import pytest
from PIL import Image

from photos.metadata import jpeg
from photos.metadata.errors import MetadataUnreadable, PictureWouldChange
from photos.metadata.fields import MetadataFields

PHOTOSHOP = b"Photoshop 3.0\x00"
FIELDS = MetadataFields(keywords=("boat", "quay"), description="A boat at the quay. " * 20 + "End")


@pytest.mark.parametrize("order", [" ".join(each) for each in itertools.permutations(["exif", "xmp", "mpf"])])
def test_a_second_image_is_found_where_its_index_says_whatever_the_order_of_segments(
    order, tmp_path, writer, jpeg_with_second_image
):
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg_with_second_image(order))
    second = second_image(path)
    written = writer.write(path, FIELDS)
    assert written.changed
    assert second_image(path) == second
    assert path.read_bytes().endswith(second)
    with Image.open(path) as image:
        assert image.n_frames == 2
        image.seek(1)
        image.load()


def walked(data) -> jpeg.Walked:
    return jpeg.Walked.through(bytes(data))


def test_the_first_images_size_in_the_index_grows_with_its_metadata(tmp_path, writer, jpeg_with_second_image):
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg_with_second_image())
    writer.write(path, FIELDS)
    index = jpeg._pictures(walked(path.read_bytes()))
    assert index.entries[0][1] == len(path.read_bytes()) - index.entries[1][1]


def test_an_index_that_is_broken_already_is_left_as_it_is(jpeg_with_second_image):
    data = bytearray(jpeg_with_second_image())
    place = jpeg._pictures(walked(data)).entries[1][0]
    data[place + 8 : place + 12] = struct.pack("<I", 5)
    assert jpeg.patches(walked(data), walked(data)) == ()


def test_an_index_that_vanished_is_a_reason_to_refuse(jpeg_with_second_image, plain_jpeg):
    with pytest.raises(PictureWouldChange, match="MPF"):
        jpeg.patches(walked(jpeg_with_second_image()), walked(plain_jpeg))


def test_a_segment_that_vanished_is_a_reason_to_refuse(plain_jpeg):
    commented = plain_jpeg[:2] + segment(0xFE, b"a comment") + plain_jpeg[2:]
    jpeg.check_same_picture(walked(commented), walked(commented))
    with pytest.raises(PictureWouldChange, match="segment"):
        jpeg.check_same_picture(walked(commented), walked(plain_jpeg))


def test_one_other_byte_of_the_scan_is_a_reason_to_refuse(plain_jpeg):
    other = bytearray(plain_jpeg)
    other[-10] ^= 1
    with pytest.raises(PictureWouldChange, match="picture data"):
        jpeg.check_same_picture(walked(plain_jpeg), walked(other))


def test_metadata_segments_may_differ(plain_jpeg):
    tagged = plain_jpeg[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + plain_jpeg[2:]
    jpeg.check_same_picture(walked(plain_jpeg), walked(tagged))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xe1\xff\xff", b"\xff\xd8\x00\x00\x00\x00"]
)
def test_what_is_no_whole_jpeg_is_told(data):
    with pytest.raises(MetadataUnreadable):
        list(jpeg.segments(data))


def test_a_right_iptc_digest_stays_right(tmp_path, writer, plain_jpeg):
    path = tmp_path / "photoshop.jpg"
    path.write_bytes(plain_jpeg[:2] + photoshop(right=True) + plain_jpeg[2:])
    writer.write(path, FIELDS)
    iptc, digest = resources(path.read_bytes())
    assert b"boat" in iptc
    assert digest == hashlib.md5(iptc).digest()


def test_a_wrong_iptc_digest_stays_wrong_as_it_tells_of_another_programs_edit(tmp_path, writer, plain_jpeg):
    path = tmp_path / "photoshop.jpg"
    path.write_bytes(plain_jpeg[:2] + photoshop(right=False) + plain_jpeg[2:])
    writer.write(path, FIELDS)
    assert resources(path.read_bytes())[1] == b"\0" * 16


def second_image(path) -> bytes:
    data = path.read_bytes()
    index = jpeg._pictures(walked(data))
    _, size, offset = index.entries[1]
    found = data[index.header + offset : index.header + offset + size]
    with Image.open(io.BytesIO(found)) as image:
        image.load()
    return found


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def photoshop(*, right: bool) -> bytes:
    iptc = b"\x1c\x02\x19\x00\x04quay"
    digest = hashlib.md5(iptc).digest() if right else b"\0" * 16
    return segment(
        0xED, PHOTOSHOP + resource(0x0404, iptc) + resource(0x0425, digest) + resource(0x040A, b"\x01")
    )


def resource(number: int, data: bytes) -> bytes:
    return (
        b"8BIM"
        + struct.pack(">H", number)
        + b"\0\0"
        + struct.pack(">I", len(data))
        + data
        + b"\0" * (len(data) % 2)
    )


def resources(data: bytes) -> tuple[bytes, bytes]:
    places = jpeg._resources(walked(data))
    return data[slice(*places[0x0404])], data[slice(*places[0x0425])]
