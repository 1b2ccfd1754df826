"""What is written beside a photo that nobody writes into, by exiftool itself."""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pillow_heif import from_pillow

from photos.identity import file_sha256, photo_id
from photos.metadata import exiftool, writing
from photos.metadata.errors import (
    FileChanged,
    MetadataUnreadable,
    MetadataWouldBeLost,
    NotReadBack,
    ReadOnlyFile,
    ReadOnlyFolder,
    SidecarShared,
    ToolCrashed,
    ToolFailed,
    UndoRefused,
)
from photos.metadata.fields import MetadataFields
from photos.metadata.packet import Packet
from photos.metadata.reading import read_metadata
from photos.metadata.undo import Standing, standing, undo
from photos.metadata.writing import MetadataWriter

EXIFTOOL = shutil.which("exiftool")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed"),
]

FIELDS = MetadataFields(
    title="Böotchen",
    description="Two boats\nat the quay",
    keywords=("harbor", "Küste", "boat", "place"),
    hierarchical=("place|harbor", "Küste", "boat"),
    headline="Boats",
)
HOSTILE = '#[CSTR]$x @ARGV `id`\\n "q" <a>&amp; {} | base64:aGk= -overwrite_original'


@pytest.fixture
def raw(make_photo):
    path = make_photo("photo.tif", exif={"Exif.Image.Artist": "Member 07"})
    return path.rename(path.with_suffix(".nef"))


@pytest.fixture
def beside(raw, packet_text):
    """A sidecar in which others have written: three languages, structures, names that nobody registered."""
    path = raw.with_suffix(".xmp")
    path.write_text(packet_text, encoding="utf-8")
    os.utime(path, ns=(1_700_000_000_000_000_000, 1_600_000_000_987_654_321))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_sidecar_is_made_beside_a_raw_file_which_stays_as_it_is(raw, writer):
    before = file_sha256(raw)
    raw.chmod(0o440)
    written = writer.write(raw, FIELDS)
    assert (written.path, written.photo_id, written.changed) == (
        raw.with_suffix(".xmp"),
        photo_id(raw),
        True,
    )
    assert written.after == writer.read(raw)
    assert (written.after.title, written.after.keywords) == (FIELDS.title, FIELDS.keywords)
    assert written.after.creator == ("Member 07",)
    assert file_sha256(raw) == before
    assert b"SidecarForExtension>NEF<" in written.path.read_bytes()
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o640
    assert names(raw.parent) == ["photo.nef", "photo.xmp"]


def test_darktables_name_is_used_when_it_is_asked_for(raw):
    with MetadataWriter(sidecar_names="darktable") as writer:
        assert writer.write(raw, FIELDS).path.name == "photo.nef.xmp"


def test_what_others_wrote_stays_in_every_language_and_so_does_the_time(raw, beside, writer):
    before = Packet.parse(beside.read_bytes())
    written = writer.write(raw, lambda said: MetadataFields(keywords=(*said.keywords, "boat"), title="T"))
    after = Packet.parse(beside.read_bytes())
    ours = {name for name in after.flatten() if "subject" in name.lower() or "title" in name}
    assert {k: v for k, v in after.flatten().items() if k not in ours} == {
        k: v for k, v in before.flatten().items() if k not in ours
    }
    assert written.before.keywords == ("harbor", "Küste")
    assert read_metadata(raw).keywords == ("harbor", "Küste", "boat")
    assert read_metadata(raw).hierarchical_keywords == ("place|harbor", "Küste", "boat")
    assert beside.stat().st_mtime_ns == 1_600_000_000_987_654_321


def test_a_field_alone_leaves_the_others_and_an_empty_one_goes(raw, beside, writer):
    writer.write(raw, MetadataFields(description="New.", headline="H"))
    writer.write(raw, MetadataFields(headline="", title=""))
    said = read_metadata(raw)
    assert said.descriptions == {"x-default": "New.", "de-DE": "Boote.", "fr": "Bateaux."}
    assert (said.headline, said.title, said.keywords) == (None, None, ("harbor", "Küste"))
    assert not writer.write(raw, MetadataFields(description="New.")).changed


def test_undo_gives_the_old_bytes_and_takes_a_sidecar_away_that_was_made(raw, beside, writer):
    before = beside.read_bytes()
    first = writer.write(raw, FIELDS)
    assert undo(beside, first.undo).sha256 == first.before_sha256
    assert beside.read_bytes() == before
    beside.unlink()
    made = writer.write(raw, FIELDS)
    assert standing(beside, made.undo) is Standing.AFTER
    assert not undo(beside, made.undo).already
    assert not beside.exists()
    assert standing(beside, made.undo) is Standing.BEFORE
    assert undo(beside, made.undo).already


def test_a_sidecar_that_somebody_worked_on_since_is_not_taken_away(raw, writer):
    made = writer.write(raw, FIELDS)
    made.path.write_bytes(made.path.read_bytes() + b"\n")
    with pytest.raises(UndoRefused, match="changed after we wrote"):
        undo(made.path, made.undo)
    made.path.write_bytes(b"")
    with pytest.raises(UndoRefused):
        undo(made.path, made.undo)
    assert made.path.exists()


def test_hostile_words_are_only_words(tmp_path, raw, writer):
    folder = tmp_path / "two\nlines -o #[CSTR]"
    folder.mkdir()
    path = raw.rename(folder / "-execute\n-ver.nef")
    writer.write(
        path, MetadataFields(title=HOSTILE, description=HOSTILE + "\n\tx", keywords=(HOSTILE, "a, b; c"))
    )
    said = writer.read(path)
    assert (said.title, said.description, said.keywords) == (HOSTILE, HOSTILE + "\n\tx", (HOSTILE, "a, b; c"))


def test_what_an_exiftool_would_lose_or_not_say_is_refused(tmp_path, raw, beside, monkeypatch):
    before = beside.read_bytes()
    program = tmp_path / "bin" / "exiftool"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    for wrong, problem, words in (
        ("-XMP-xmp:Rating=", MetadataWouldBeLost, r"photo\.xmp: writing would lose or alter xmp:Rating"),
        ("-XMP-dc:Subject=other", NotReadBack, "keywords did not read back"),
    ):
        program.write_text(f'#!/bin/sh\nexec {EXIFTOOL} "$@" {wrong}\n', encoding="utf-8")
        program.chmod(0o755)
        with MetadataWriter() as writer, pytest.raises(problem, match=words):
            writer.write(raw, FIELDS)
    assert beside.read_bytes() == before
    assert names(raw.parent) == ["bin", "photo.nef", "photo.xmp"]


def test_what_exiftool_does_not_take_on_is_told_by_name(raw, beside, writer, packet_text):
    beside.write_text(
        packet_text.replace("<club:jury", "<club:a>1</club:a><club:a>2</club:a><club:jury"), "utf-8"
    )
    with pytest.raises(ToolFailed, match=r"photo\.xmp: exiftool could not do it: .*Duplicate"):
        writer.write(raw, FIELDS)


def test_a_damaged_sidecar_is_told_and_left_alone(raw, beside, writer):
    beside.write_bytes(beside.read_bytes()[:-40])
    with pytest.raises(MetadataUnreadable, match=r"photo\.xmp.*not well-formed"):
        writer.write(raw, FIELDS)


def test_read_only_and_foreign_sidecars_are_refused_with_a_clear_word(raw, beside, writer, packet_text):
    beside.chmod(0o444)
    with pytest.raises(ReadOnlyFile, match=r"photo\.xmp: read-only"):
        writer.write(raw, FIELDS)
    beside.chmod(0o644)
    foreign = packet_text.replace(
        'club:entry="17"', "xmlns:p='http://ns.adobe.com/photoshop/1.0/' p:SidecarForExtension='CR2'"
    )
    beside.write_text(foreign, encoding="utf-8")
    with pytest.raises(SidecarShared, match="CR2"):
        writer.write(raw, FIELDS)
    beside.unlink()
    raw.parent.chmod(0o555)
    try:
        with pytest.raises(ReadOnlyFolder):
            writer.write(raw, FIELDS)
    finally:
        raw.parent.chmod(0o755)


def test_a_sidecar_that_appears_meanwhile_is_left_to_the_other_program(raw, writer):
    def hook(written):
        written.path.write_bytes(b"theirs")

    with pytest.raises(FileChanged, match="made it meanwhile"):
        writer.write(raw, FIELDS, before_replace=hook)
    assert raw.with_suffix(".xmp").read_bytes() == b"theirs"


def test_words_inside_an_heic_are_the_photographers_own(tmp_path, make_photo, writer):
    path = tmp_path / "photo.heic"
    with Image.open(make_photo("photo.jpg")) as picture:
        from_pillow(picture).save(path, quality=50)
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-XMP-dc:Subject=mine", str(path)], check=True)
    before = file_sha256(path)
    writer.write(path, lambda said: MetadataFields(keywords=(*said.keywords, "ours")))
    assert writer.read(path).keywords == ("mine", "ours")
    assert file_sha256(path) == before


def test_a_hung_exiftool_is_ended_and_the_next_photo_gets_another(raw, monkeypatch):
    monkeypatch.setattr(exiftool, "SECONDS_PER_REQUEST", 1)
    with MetadataWriter() as writer:
        writer.write(raw, MetadataFields(title="first"))
        os.kill(writer._exiftool.pid, signal.SIGSTOP)
        with pytest.raises(ToolCrashed, match="no answer"):
            writer._exiftool.rewritten(None, b"", [])
        assert writer.write(raw, MetadataFields(title="second")).changed


def test_exiftool_ends_with_its_parent_however_that_ends(tmp_path):
    code = "import sys; from photos.metadata.exiftool import ExifTool; one = ExifTool(); "
    code += (
        "one.packet(__import__('pathlib').Path(sys.argv[1])); print(one.pid, flush=True); sys.stdin.read()"
    )
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8)).save(photo)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(photo)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(writing.__file__).parents[2],
    ) as parent:
        handle = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert select.select([handle], [], [], 30)[0], "exiftool outlived its parent"
    os.close(handle)
