"""What we write, read by a program that shares no code with us."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from photos.metadata.fields import MetadataFields
from photos.metadata.undo import undo

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]

FIELDS = MetadataFields(
    title="Böotchen",
    description="Two boats at the quay",
    keywords=("harbor", "Küste", "boat", "place"),
    hierarchical=("place|harbor", "Küste", "boat"),
    headline="Boats",
)


def said(path, *options) -> dict:
    command = ["exiftool", "-json", "-G1", "-struct", *options, "-charset", "iptc=utf8", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    (values,) = json.loads(done.stdout)
    return values


def test_exiftool_reads_every_format_as_it_was_written(each_format, writer):
    writer.write(each_format, FIELDS)
    values = said(each_format)
    assert values["XMP-dc:Title"] == FIELDS.title
    assert values["XMP-dc:Description"] == FIELDS.description
    assert values["XMP-dc:Subject"] == list(FIELDS.keywords)
    assert values["XMP-lr:HierarchicalSubject"] == list(FIELDS.hierarchical)
    assert values["XMP-photoshop:Headline"] == FIELDS.headline


def test_exiftool_finds_everything_of_others_as_it_was(each_format, writer):
    before = said(each_format)
    writer.write(each_format, FIELDS)
    after = said(each_format)
    ours = {
        "Title",
        "Description",
        "Subject",
        "HierarchicalSubject",
        "Headline",
        "ImageDescription",
        "XMPToolkit",
    }
    places = {"StripOffsets", "FileSize", "FileAccessDate", "FileInodeChangeDate", "ExifByteOrder"}
    kept = {key: value for key, value in before.items() if key.split(":")[-1] not in ours | places}
    assert {key: after.get(key) for key in kept} == kept
    assert after["XMP-dc:Description-de-DE"] == "Boote."


def test_exiftool_finds_no_fault_with_the_structure(each_format, writer):
    had = complaints(each_format)
    writer.write(each_format, FIELDS)
    assert complaints(each_format) <= had


def test_exiftool_reads_iptc_and_exif_in_step_with_xmp(make_photo, writer):
    path = make_photo(
        "photo.jpg", iptc={"Iptc.Application2.Keywords": ["old"]}, exif={"Exif.Image.Artist": "Member 07"}
    )
    writer.write(path, FIELDS)
    values = said(path)
    assert values["IPTC:Keywords"] == list(FIELDS.keywords)
    assert values["IPTC:ObjectName"] == FIELDS.title
    assert values["IPTC:Caption-Abstract"] == values["IFD0:ImageDescription"] == FIELDS.description
    assert values["IPTC:CodedCharacterSet"] == "UTF8"


def test_exiftool_finds_the_second_image_of_a_phones_jpeg(tmp_path, writer, jpeg_with_second_image):
    for order in ("exif mpf xmp", "mpf exif xmp", "exif xmp mpf"):
        path = tmp_path / "phone.jpg"
        path.write_bytes(jpeg_with_second_image(order))
        command = ["exiftool", "-b", "-MPImage2", str(path)]
        before = subprocess.run(command, capture_output=True, check=True).stdout
        writer.write(path, FIELDS)
        assert before.startswith(b"\xff\xd8")
        assert subprocess.run(command, capture_output=True, check=True).stdout == before


def test_what_exiftool_wrote_is_merged_with_and_undone_to_the_byte(photo, writer):
    subprocess.run(
        [
            "exiftool",
            "-q",
            "-overwrite_original",
            "-MWG:Keywords+=tooled",
            "-XMP-iptcCore:Location=Quay",
            str(photo),
        ],
        check=True,
    )
    before = photo.read_bytes()
    written = writer.write(photo, lambda now: MetadataFields(keywords=(*now.keywords, "boat")))
    values = said(photo)
    assert {"harbor", "tooled", "boat"} <= set(values["XMP-dc:Subject"])
    assert values["XMP-iptcCore:Location"] == "Quay"
    undo(photo, written.undo)
    assert photo.read_bytes() == before


def complaints(path) -> set[str]:
    values = said(path, "-validate", "-warning", "-error", "-a")
    return {
        str(value) for key, value in values.items() if key.startswith("ExifTool:") and "Validate" not in key
    }
