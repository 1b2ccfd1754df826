from __future__ import annotations

import os
import random
import resource
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyexiv2
import pytest
import tifffile
from PIL import Image

from photos.identity import photo_id
from photos.metadata.errors import (
    DiskFull,
    FileChanged,
    FileLocked,
    FormatNotWritable,
    InvalidFields,
    MetadataError,
    MetadataUnreadable,
    NotARegularFile,
    ReadOnlyFile,
    ReadOnlyFolder,
)
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.temporary import hidden_copy
from photos.metadata.undo import undo
from photos.metadata.writing import MetadataWriter

FIELDS = MetadataFields(
    title="Böotchen",
    description="Two boats\nat the quay",
    keywords=("harbor", "Küste", "boat", "quay", "place", "thing"),
    hierarchical=("place|harbor", "thing|boat", "Küste", "quay"),
    headline="Boats",
)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_every_format_says_afterwards_what_was_written(each_format, writer):
    written = writer.write(each_format, FIELDS)
    said = read_metadata(each_format)
    assert written.after == said
    assert (said.title, said.description, said.headline) == (
        FIELDS.title,
        FIELDS.description,
        FIELDS.headline,
    )
    assert said.keywords == FIELDS.keywords
    assert said.hierarchical_keywords == FIELDS.hierarchical
    assert hidden(each_format.parent) == []


def test_every_format_keeps_its_picture_and_the_words_of_others(each_format, writer):
    before, image = photo_id(each_format), pixels(each_format)
    written = writer.write(each_format, FIELDS)
    said = read_metadata(each_format)
    assert photo_id(each_format) == before == written.photo_id
    assert np.array_equal(pixels(each_format), image)
    assert said.descriptions["de-DE"] == "Boote."
    assert said.descriptions["fr"] == "Bateaux."
    assert (said.rating, said.creator, said.copyright) == (3, ("Member 07",), "CC0")
    with pyexiv2.Image(str(each_format)) as opened:
        xmp = opened.read_xmp()
    assert xmp["Xmp.club.entry"] == "17"
    assert xmp["Xmp.xmpMM.History[1]/stEvt:action"] == "saved"


def test_lists_are_bags_and_texts_are_language_alternatives(each_format, writer):
    writer.write(each_format, FIELDS)
    with pyexiv2.Image(str(each_format)) as opened:
        kinds = {key: each["typeName"] for key, each in opened.read_xmp_detail().items()}
    assert kinds["Xmp.dc.subject"] == kinds["Xmp.lr.hierarchicalSubject"] == "XmpBag"
    assert kinds["Xmp.dc.title"] == kinds["Xmp.dc.description"] == "LangAlt"


def test_writing_the_same_again_writes_nothing(each_format, writer):
    first = writer.write(each_format, FIELDS)
    state, seen = each_format.stat(), []
    second = writer.write(each_format, FIELDS, before_replace=seen.append)
    assert (first.changed, second.changed) == (True, False)
    assert second.before_sha256 == second.after_sha256 == first.after_sha256
    assert second.undo == b""
    assert seen == []
    assert each_format.stat().st_ino == state.st_ino


def test_a_field_that_is_none_is_left_alone_and_an_empty_one_goes(photo, writer):
    writer.write(photo, MetadataFields(title="T", headline="H"))
    writer.write(photo, MetadataFields(headline=""))
    said = read_metadata(photo)
    assert (said.title, said.headline, said.keywords) == ("T", None, ("harbor", "Küste"))
    writer.write(photo, MetadataFields(keywords=()))
    assert read_metadata(photo).keywords == ()


def test_nothing_asked_is_nothing_done(photo, writer):
    before = photo.read_bytes()
    assert not writer.write(photo, MetadataFields()).changed
    assert photo.read_bytes() == before


def test_fields_can_be_made_from_what_the_photo_says_at_that_moment(photo, writer):
    written = writer.write(photo, lambda said: MetadataFields(keywords=(*said.keywords, "boat")))
    assert written.before.keywords == ("harbor", "Küste")
    assert read_metadata(photo).keywords == ("harbor", "Küste", "boat")


def test_iptc_is_not_begun_where_there_is_none(photo, writer):
    writer.write(photo, FIELDS)
    with pyexiv2.Image(str(photo)) as opened:
        assert opened.read_iptc() == {}


def test_iptc_that_is_there_follows_within_its_byte_limits(make_photo, writer):
    path = make_photo(
        "photo.jpg", iptc={"Iptc.Application2.Keywords": ["harbor"], "Iptc.Application2.City": "Kiel"}
    )
    long = "ü" * 40
    writer.write(
        path, MetadataFields(title=long, description="ß" * 1500, keywords=("harbor", long, long + "x"))
    )
    with pyexiv2.Image(str(path)) as opened:
        iptc = opened.read_iptc()
    assert iptc["Iptc.Application2.ObjectName"] == "ü" * 32
    assert iptc["Iptc.Application2.Caption"] == "ß" * 1000
    assert iptc["Iptc.Application2.Keywords"] == ["harbor", "ü" * 32]
    assert iptc["Iptc.Envelope.CharacterSet"] == "\x1b%G"
    assert iptc["Iptc.Application2.City"] == "Kiel"
    said = read_metadata(path)
    assert said.title == long
    assert said.keywords == ("harbor", long, long + "x")


def test_iptc_in_another_character_set_is_brought_to_utf8_as_a_whole(tmp_path, make_photo, writer):
    path = make_photo("photo.jpg")
    with pyexiv2.Image(str(path)) as opened:
        opened.modify_iptc(
            {"Iptc.Application2.City": "Lübeck", "Iptc.Application2.Keywords": ["Küste"]}, "latin-1"
        )
    assert "Küste" in read_metadata(path).keywords
    writer.write(path, MetadataFields(keywords=("Küste", "Möwe")))
    with pyexiv2.Image(str(path)) as opened:
        iptc = opened.read_iptc()
    assert iptc["Iptc.Application2.City"] == "Lübeck"
    assert iptc["Iptc.Application2.Keywords"] == ["Küste", "Möwe"]


def test_iptc_in_a_character_set_that_nobody_knows_is_not_garbled_and_the_photo_left_alone(
    make_photo, writer
):
    path = make_photo("photo.jpg")
    with pyexiv2.Image(str(path)) as opened:
        opened.modify_iptc({"Iptc.Application2.Byline": ["Françoise"]}, "mac_roman")
    before = path.read_bytes()
    assert writer.read(path).creator == ("Fran\N{REPLACEMENT CHARACTER}oise",)
    with pytest.raises(MetadataUnreadable, match="garble"):
        writer.write(path, MetadataFields(keywords=("sea",)))
    assert path.read_bytes() == before


def test_iptc_that_says_it_is_utf8_and_is_not_keeps_its_words(make_photo, writer):
    path = make_photo("photo.jpg")
    with pyexiv2.Image(str(path)) as opened:
        opened.modify_iptc(
            {"Iptc.Envelope.CharacterSet": "\x1b%G", "Iptc.Application2.Keywords": ["Zürich"]}, "latin-1"
        )
    writer.write(path, lambda said: MetadataFields(keywords=(*said.keywords, "sea")))
    with pyexiv2.Image(str(path)) as opened:
        assert opened.read_iptc()["Iptc.Application2.Keywords"] == ["Zürich", "sea"]


def test_the_description_stands_in_exif_too(make_photo, writer):
    for name in ("photo.jpg", "photo.tif", "photo.dng"):
        path = make_photo(name, exif={"Exif.Image.Artist": "Member 07"})
        writer.write(path, MetadataFields(description="Zwei Böte"))
        with pyexiv2.Image(str(path)) as opened:
            assert opened.read_exif()["Exif.Image.ImageDescription"] == "Zwei Böte"


def test_exif_is_not_begun_where_there_is_none(make_photo, writer):
    path = make_photo("photo.jpg")
    writer.write(path, MetadataFields(description="new"))
    with pyexiv2.Image(str(path)) as opened:
        assert opened.read_exif() == {}


def test_a_png_or_webp_gets_no_exif_but_keeps_its_own_in_step(make_photo, writer):
    for name in ("photo.png", "photo.webp"):
        path = make_photo(name)
        writer.write(path, MetadataFields(description="new"))
        with pyexiv2.Image(str(path)) as opened:
            assert opened.read_exif() == {}
        path = make_photo(name, exif={"Exif.Image.ImageDescription": "old"})
        writer.write(path, MetadataFields(description="new"))
        with pyexiv2.Image(str(path)) as opened:
            assert opened.read_exif()["Exif.Image.ImageDescription"] == "new"


def test_exif_of_others_stays(photo, writer):
    writer.write(photo, FIELDS)
    with pyexiv2.Image(str(photo)) as opened:
        exif = opened.read_exif()
    assert exif["Exif.Image.Artist"] == "Member 07"
    assert exif["Exif.Photo.DateTimeOriginal"] == "2024:05:11 08:12:40"


def test_a_comment_that_a_program_left_in_a_jpeg_keeps_no_tag_out(tmp_path, writer):
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (24, 16), "navy").save(photo, comment=b"Created with some program")
    before = photo.read_bytes()
    written = writer.write(photo, FIELDS)
    with Image.open(photo) as image:
        assert image.info["comment"].rstrip(b"\0") == b"Created with some program"
    undo(photo, written.undo)
    assert photo.read_bytes() == before


def test_times_mode_and_extended_attributes_stay(photo, writer):
    photo.chmod(0o640)
    os.utime(photo, ns=(1_700_000_000_123_456_789, 1_600_000_000_987_654_321))
    try:
        os.setxattr(photo, "user.stars", b"5")
        attributes = True
    except OSError:
        attributes = False
    writer.write(photo, FIELDS)
    state = photo.stat()
    assert state.st_mtime_ns == 1_600_000_000_987_654_321
    assert stat.S_IMODE(state.st_mode) == 0o640
    assert not attributes or os.getxattr(photo, "user.stars") == b"5"


def test_the_hook_sees_the_undo_before_the_photo_is_replaced(photo, writer):
    before, seen = photo.read_bytes(), []

    def hook(written):
        seen.append((written, photo.read_bytes()))

    written = writer.write(photo, FIELDS, before_replace=hook)
    assert seen == [(written, before)]
    assert written.undo
    assert photo.read_bytes() != before


def test_a_hook_that_fails_leaves_everything_as_it_was(photo, writer):
    before = photo.read_bytes()

    def hook(written):
        raise OSError(28, "the database's disk is full")

    with pytest.raises(OSError, match="database"):
        writer.write(photo, FIELDS, before_replace=hook)
    assert photo.read_bytes() == before
    assert hidden(photo.parent) == []


def test_a_photo_that_changes_while_we_work_is_left_to_the_other_program(photo, writer):
    def hook(written):
        photo.write_bytes(photo.read_bytes() + b"more")

    with pytest.raises(FileChanged, match="another program"):
        writer.write(photo, FIELDS, before_replace=hook)
    assert photo.read_bytes().endswith(b"more")
    assert hidden(photo.parent) == []


def test_another_picture_than_expected_is_refused(photo, writer):
    assert writer.write(photo, FIELDS, expected_photo_id=photo_id(photo)).changed
    with pytest.raises(FileChanged, match="not the picture"):
        writer.write(photo, FIELDS, expected_photo_id="0" * 64)


def test_a_read_only_photo_is_refused_even_for_root(photo, writer):
    photo.chmod(0o444)
    with pytest.raises(ReadOnlyFile, match=r"read-only.*chmod u\+w"):
        writer.write(photo, FIELDS)


def test_a_read_only_folder_is_refused_even_for_root(photo, writer):
    photo.parent.chmod(0o555)
    try:
        with pytest.raises(ReadOnlyFolder, match="folder is read-only"):
            writer.write(photo, FIELDS)
    finally:
        photo.parent.chmod(0o755)


def test_what_is_no_file_is_refused(tmp_path, writer):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("pipe.jpg", "nowhere.jpg", "loop.jpg", "missing.jpg", "."):
        with pytest.raises(NotARegularFile):
            writer.write(tmp_path / name, FIELDS)


def test_a_link_stays_a_link_and_its_target_is_written(photo, tmp_path, writer):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.jpg"
    link.symlink_to(photo)
    written = writer.write(link, FIELDS)
    assert link.is_symlink()
    assert written.path == photo
    assert read_metadata(photo).title == FIELDS.title
    assert hidden(folder) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photo.psd", b"8BPS\0\1" + b"\0" * 20),
        ("photo.gif", b"GIF89a" + b"\0" * 20),
        ("photo.jpg", b""),
        ("photo.txt", b"hello"),
    ],
)
def test_formats_that_are_never_written_into_are_told_so(tmp_path, writer, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatNotWritable, match="JPEG, TIFF, PNG, WebP and DNG"):
        writer.write(path, FIELDS)
    assert path.read_bytes() == content


def test_a_file_that_another_program_has_locked_is_refused_with_a_clear_word(photo, writer):
    for lock in ("flock", "lockf"):
        with subprocess.Popen(
            [sys.executable, "-c", LOCKING, lock, str(photo)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(FileLocked, match="another program has locked it"):
                writer.write(photo, FIELDS)
            other.stdin.close()
    assert writer.write(photo, FIELDS).changed


LOCKING = """
import fcntl, sys
held = open(sys.argv[2], "r+b")
getattr(fcntl, sys.argv[1])(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_truncated_jpeg_keeps_its_bytes_or_is_refused(photo, writer):
    whole = photo.read_bytes()
    for size in (20, 700, len(whole) // 2, len(whole) - 2):
        photo.write_bytes(whole[:size])
        try:
            written = writer.write(photo, FIELDS)
        except MetadataError:
            assert photo.read_bytes() == whole[:size]
        else:
            assert photo_id(photo) == written.photo_id


def test_damaged_metadata_is_told_and_the_photo_left_alone(make_photo, writer):
    path = make_photo("photo.jpg")
    plain = path.read_bytes()
    broken = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"
    damaged = plain[:2] + b"\xff\xe1" + (len(broken) + 2).to_bytes(2, "big") + broken + plain[2:]
    path.write_bytes(damaged)
    with pytest.raises(MetadataUnreadable, match="not well-formed"):
        writer.write(path, FIELDS)
    assert path.read_bytes() == damaged


def test_every_page_of_a_tiff_survives_or_it_is_refused(tmp_path, writer):
    path = tmp_path / "pages.tif"
    pages = [np.full((32, 48), shade, np.uint8) for shade in (10, 90, 170, 200, 220, 250)]
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, photometric="minisblack", metadata=None)
    with suppress(MetadataError):
        writer.write(path, FIELDS)
    with tifffile.TiffFile(path) as file:
        assert [int(page.asarray()[0, 0]) for page in file.pages] == [10, 90, 170, 200, 220, 250]


def test_a_full_disk_leaves_the_photo_and_nothing_else(photo):
    before = photo.read_bytes()
    photo.write_bytes(before + b"\0" * 200_000)
    whole = photo.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files is the one full disk that a test may have to itself.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with MetadataWriter() as writer, pytest.raises(DiskFull, match="no room"):
            writer.write(photo, FIELDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert photo.read_bytes() == whole
    assert hidden(photo.parent) == []


def test_a_disk_that_fills_up_while_the_tool_writes_leaves_the_photo_and_nothing_else(photo):
    whole = photo.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
    try:
        with MetadataWriter() as writer, pytest.raises(MetadataError):
            writer.write(photo, MetadataFields(description="x" * 9000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert photo.read_bytes() == whole
    assert hidden(photo.parent) == []


def test_names_that_are_not_utf8_are_names_like_others(photo, tmp_path, writer):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xfcr"))
    folder.mkdir()
    path = photo.rename(folder / os.fsdecode(b"K\xfcste.jpg"))
    assert writer.write(path, FIELDS).changed
    assert read_metadata(path).title == FIELDS.title
    assert writer.read(path).title == FIELDS.title


def test_a_leftover_of_a_killed_run_goes_and_a_living_ones_stays(photo):
    leftover = photo.with_name(".imageworks-0123456789abcdef.tmp.jpg")
    leftover.write_bytes(b"half a photo")
    foreign = photo.with_name(".someone-elses.tmp")
    foreign.write_bytes(b"theirs")
    with hidden_copy(photo) as living, MetadataWriter() as writer:
        writer.write(photo, FIELDS)
        assert living.exists()
        assert not leftover.exists()
        assert foreign.exists()


def test_the_largest_caption_that_fits_is_written_and_a_larger_packet_refused(photo, writer):
    before = photo.read_bytes()
    writer.write(photo, MetadataFields(description="ü" * 16_000))
    assert read_metadata(photo).description == "ü" * 16_000
    photo.write_bytes(before)
    many = tuple(f"{number:04} " + "ü" * 400 for number in range(200))
    with pytest.raises(MetadataError):
        writer.write(photo, MetadataFields(keywords=many))
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "a\nb"},
        {"title": "nul\0"},
        {"description": "bell\a"},
        {"description": "x" * 16_001},
        {"keywords": ("a", "a")},
        {"keywords": ("",)},
        {"keywords": (" padded",)},
        {"keywords": ("\ud800",)},
        {"keywords": tuple(map(str, range(10_001)))},
        {"hierarchical": ("a|b\r",)},
        {"title": "a\tb"},
        {"headline": "x\uffff"},
    ],
)
def test_fields_that_no_file_can_hold_are_refused_at_once(wrong):
    with pytest.raises(InvalidFields):
        MetadataFields(**wrong)


def test_hostile_text_is_only_text(photo, writer):
    hostile = '"]]><rdf:li>x</rdf:li> lang="de-DE" , lang="fr" <!DOCTYPE a> %s {{ 7*7 }} & \' \\'
    writer.write(photo, MetadataFields(title=hostile, description=hostile, keywords=(hostile, "a, b; c")))
    said = read_metadata(photo)
    assert (said.title, said.description, said.keywords) == (hostile, hostile, (hostile, "a, b; c"))
    assert said.descriptions["de-DE"] == "Boote."


@pytest.mark.parametrize("seed", range(24))
def test_a_damaged_photo_is_written_whole_or_left_to_the_byte(photo, writer, seed):
    chance = random.Random(seed)
    data = bytearray(photo.read_bytes())
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(2, len(data))] = chance.randrange(256)
    photo.write_bytes(data)
    before = photo_id(photo)
    try:
        written = writer.write(photo, FIELDS)
    except MetadataError as problem:
        assert photo.read_bytes() == data
        assert "photo.jpg" in str(problem)  # noqa: PT017 - either end is right
    else:
        assert photo_id(photo) == before == written.photo_id
        assert undo(photo, written.undo).sha256 == written.before_sha256
    assert hidden(photo.parent) == []


def test_odd_keywords_that_others_wrote_come_through_a_merge(photo, writer):
    odd = ("two\nlines", "tab\there", "|", "a||b", "x" * 1500, "…", "\u200d", "C1\u0099")
    writer.write(photo, MetadataFields(keywords=odd))
    writer.write(photo, lambda said: MetadataFields(keywords=(*said.keywords, "boat")))
    assert read_metadata(photo).keywords == (*odd, "boat")
