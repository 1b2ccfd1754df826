"""Files of every kind, by the hundred: written, read by exiftool and exiv2, taken back; no word or pixel is lost."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from photo_library import make_library
from PIL import Image
from soak import amount

from photos.identity import photo_id
from photos.metadata.fields import MetadataFields
from photos.metadata.undo import undo
from photos.metadata.writing import MetadataWriter

if TYPE_CHECKING:
    from pathlib import Path

    from photos.metadata.fields import PhotoMetadata
    from photos.metadata.written import Written

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed"),
]

ROUNDS = amount(16, 3)
OURS = ("boat", "Möwe", "x" * 80)
DESCRIPTION = "Zwei Boote, deux bateaux,\n二隻の船"
DECODED = {".jpg", ".jpeg", ".tif", ".tiff", ".png", ".webp", ".dng"}
OUR_TAGS = {
    "Title", "Description", "Subject", "HierarchicalSubject", "Headline", "ImageDescription", "Keywords",
    "ObjectName", "Caption-Abstract", "CodedCharacterSet",
}  # fmt: skip
PLACES = {
    "StripOffsets", "ThumbnailOffset", "MPImageStart", "MPImageLength", "ExifByteOrder", "XMPToolkit", "ExifOffset",
    "CurrentIPTCDigest", "IPTCDigest", "GPSInfo", "WebP_Flags",
}  # fmt: skip


def wanted(said: PhotoMetadata) -> MetadataFields:
    return MetadataFields(
        title="New",
        description=DESCRIPTION,
        headline="H",
        keywords=(*said.keywords, *OURS),
        hierarchical=(*said.hierarchical_keywords, "sea|boat") if said.hierarchical_keywords else None,
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The library as it was, and as it is after the writes: what other programs say of it, digests, and the undo."""
    folder = tmp_path_factory.mktemp("library")
    photos = make_library(folder, rounds=ROUNDS)
    for path in folder.iterdir():
        os.utime(path, ns=(1_700_000_000_000_000_000, 1_600_000_000_987_654_321))
    before = Library(folder)
    with MetadataWriter() as writer:
        written = [writer.write(path, wanted) for path in photos]
    return photos, before, Library(folder), written


class Library:
    """A folder at one moment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = said_by_exiftool(folder)
        files = sorted(folder.iterdir())
        self.digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        self.times = {path.name: path.stat().st_mtime_ns for path in files}
        self.pictures = {path.name: photo_id(path) for path in files if path.suffix != ".xmp"}
        self.pixels = {path.name: pixels(path) for path in files if path.suffix in DECODED}
        self.second_images = second_images(folder)


def said_by_exiftool(folder: Path) -> dict[str, dict[str, Any]]:
    """What exiftool finds in each file, by group and tag."""
    done = subprocess.run(
        ["exiftool", "-json", "-G1", "-a", "-struct", "-q", "-q", str(folder)],
        capture_output=True,
        check=True,
    )
    return {one["System:FileName"]: one for one in json.loads(done.stdout)}


def second_images(folder: Path) -> dict[str, str]:
    phones = sorted(map(str, folder.glob("*phone*.jpg")))
    done = subprocess.run(["exiftool", "-json", "-b", "-MPImage2", *phones], capture_output=True, check=True)
    return {one["SourceFile"]: one["MPImage2"] for one in json.loads(done.stdout)}


def pixels(path: Path) -> str:
    with Image.open(path) as image:
        return hashlib.sha256(np.asarray(image.convert("RGB")).tobytes()).hexdigest()


def test_none_was_refused_and_only_what_may_be_written_was(library):
    photos, before, after, written = library
    assert len(photos) >= 18 * ROUNDS
    assert all(one.changed for one in written)
    touched = {one.path.name for one in written}
    for name, digest in before.digests.items():
        assert (after.digests[name] != digest) == (name in touched), name
    assert {name for name in after.digests if name not in before.digests} <= touched
    assert not [name for name in after.digests if name.startswith(".")]
    raws = {one.name for one in photos if one.suffix not in DECODED}
    assert len(raws) >= 5 * ROUNDS
    assert not raws & touched


def test_pictures_and_second_images_and_times_are_as_they_were(library):
    _, before, after, _ = library
    assert after.pictures == before.pictures
    assert after.pixels == before.pixels
    assert after.second_images == before.second_images
    assert len(before.second_images) == 2 * ROUNDS
    assert {name: after.times[name] for name in before.times} == before.times


def test_exiftool_finds_everything_of_others_as_it_was(library):
    _, before, after, _ = library
    for name, said in before.said.items():
        kept = {key: value for key, value in said.items() if others(key)}
        assert {key: after.said[name].get(key) for key in kept} == kept, name


def others(key: str) -> bool:
    group, _, tag = key.partition(":")
    return tag not in OUR_TAGS | PLACES and group not in {"System", "Composite", "SourceFile"}


def test_exiftool_reads_what_was_written_within_iptcs_limits(library):
    _, _, after, written = library
    for one in written:
        said = after.said[one.path.name]
        assert said["XMP-dc:Title"] == "New"
        assert said["XMP-dc:Description"] == DESCRIPTION
        subject = said["XMP-dc:Subject"]
        assert subject[: len(one.before.keywords)] == list(one.before.keywords)
        assert set(OURS) <= set(subject)
        paths = said.get("XMP-lr:HierarchicalSubject")
        if one.before.hierarchical_keywords:
            assert {part for path in paths for part in path.split("|")} == set(subject)
        else:
            assert paths is None
        if one.before.has_iptc and one.path.suffix != ".xmp":
            assert said["IPTC:CodedCharacterSet"] == "UTF8"
            assert said["IPTC:Keywords"] == [keyword[:64] for keyword in subject]
            assert said["IPTC:Caption-Abstract"] == DESCRIPTION
        else:
            assert not any(key.startswith("IPTC:") for key in said)
        if said.get("IFD0:ImageDescription"):
            assert said["IFD0:ImageDescription"] == DESCRIPTION


@pytest.mark.skipif(shutil.which("exiv2") is None, reason="exiv2 is not installed")
def test_exiv2_reads_what_was_written_in_every_language(library):
    _, before, after, written = library
    names = [one.path.name for one in written]
    command = ["exiv2", "-q", "-K", "Xmp.dc.subject", "-K", "Xmp.dc.title", "-Pkv", *names]
    done = subprocess.run(command, capture_output=True, check=True, cwd=after.folder, text=True)
    found = re.findall(r"^(\S+) +(Xmp\.dc\.\w+) +(.*)$", done.stdout, re.MULTILINE)
    said = {(name, key): value for name, key, value in found}
    for one in written:
        name = one.path.name
        assert said[name, "Xmp.dc.subject"] == ", ".join(after.said[name]["XMP-dc:Subject"])
        languages = 'lang="x-default" New'
        if "XMP-dc:Title-ja" in before.said.get(name, {}):
            languages += ', lang="ja" 船'
        assert said[name, "Xmp.dc.title"] == languages


def test_all_is_taken_back_byte_for_byte(library):
    _, before, after, written = library
    for one in reversed(written):
        take_back(one)
    now = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in after.folder.iterdir()}
    assert now == before.digests
    assert {path.name: path.stat().st_mtime_ns for path in after.folder.iterdir()} == before.times


def take_back(written: Written) -> None:
    assert undo(written.path, written.undo).sha256 == written.before_sha256
