from __future__ import annotations

from pathlib import Path

import pyexiv2
import pytest

from photos.metadata.editing import edit
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.fields import MetadataFields
from photos.metadata.picture_data import append_picture, copy_without_picture
from photos.metadata.reading import read_embedded
from photos.metadata.writing import MetadataWriter

FIELDS = MetadataFields(title="T", description="x" * 9000, keywords=("harbor", "boat"))


@pytest.fixture
def copy(tmp_path):
    path = tmp_path / "copy.jpg"
    path.touch()
    return path


def test_a_copy_without_its_picture_says_all_that_the_photo_says(photo, copy):
    photo.write_bytes(photo.read_bytes() + b"\0" * 100_000)
    copy_without_picture(photo, copy)
    assert copy.stat().st_size < 8_000
    assert read_embedded(copy) == read_embedded(photo)


def test_with_the_picture_behind_it_again_it_is_the_photo_byte_for_byte(photo, copy, jpeg_with_second_image):
    for data in (
        photo.read_bytes(),
        jpeg_with_second_image(),
        with_filler_before_its_scan(photo.read_bytes()),
    ):
        photo.write_bytes(data)
        append_picture(photo, copy_without_picture(photo, copy), copy)
        assert copy.read_bytes() == data


def test_rewritten_in_between_longer_or_shorter_it_ends_as_the_photo_does(photo, copy):
    picture = photo.read_bytes()[photo.read_bytes().rindex(b"\xff\xda") :]
    for fields in (FIELDS, MetadataFields(title="", description="", keywords=())):
        start = copy_without_picture(photo, copy)
        assert edit(copy, fields, exif_description=True, in_memory=True).changed
        append_picture(photo, start, copy)
        assert copy.read_bytes().endswith(picture)
        assert copy.read_bytes().count(picture) == 1
        with pyexiv2.Image(str(copy)) as image:
            assert image.get_mime_type() == "image/jpeg"


@pytest.mark.parametrize("kept", [0, 1, 2, 30, 400])
def test_a_jpeg_that_ends_before_its_picture_is_told(photo, copy, kept):
    photo.write_bytes(photo.read_bytes()[:kept])
    with pytest.raises(MetadataUnreadable):
        copy_without_picture(photo, copy)


def test_the_tool_never_sees_the_picture_of_a_jpeg(photo):
    photo.write_bytes(photo.read_bytes() + b"\0" * 100_000)
    seen = []
    with MetadataWriter() as writer:

        def watching(request, ask=writer._process.ask):
            seen.append(Path(request["path"]).stat().st_size)
            return ask(request)

        writer._process.ask = watching
        assert writer.write(photo, lambda said: MetadataFields(keywords=(*said.keywords, "boat"))).changed
    assert len(seen) == 2
    assert max(seen) < 8_000


def with_filler_before_its_scan(data: bytes) -> bytes:
    """Any marker may be preceded by fill bytes (T.81 B.1.1.2)."""
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + b"\xff\xff\xff" + data[scan:]
