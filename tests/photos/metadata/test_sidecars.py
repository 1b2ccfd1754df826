from __future__ import annotations

import pytest

from photos.metadata.errors import ExifToolMissing, SidecarShared
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.sidecars import sidecar_for, sidecars_of


@pytest.fixture
def raw(make_photo):
    path = make_photo("photo.tif")
    return path.rename(path.with_suffix(".cr2"))


def test_a_sidecar_is_named_in_the_way_that_is_asked_for(raw):
    assert sidecar_for(raw, "adobe").name == "photo.xmp"
    assert sidecar_for(raw, "darktable").name == "photo.cr2.xmp"


def test_one_that_is_there_is_taken_however_its_extension_is_written(raw):
    raw.with_suffix(".XMP").touch()
    assert sidecar_for(raw, "adobe").name == "photo.XMP"


def test_of_two_the_one_named_as_asked_speaks_first(raw, packet_text):
    for name, word in (("photo.xmp", "adobe"), ("photo.cr2.xmp", "darktable")):
        raw.with_name(name).write_text(packet_text.replace("harbor", word), encoding="utf-8")
    assert [path.name for path in sidecars_of(raw, "darktable")] == ["photo.cr2.xmp", "photo.xmp"]
    assert "adobe" in read_metadata(raw).keywords
    assert "darktable" in read_metadata(raw, names="darktable").keywords


@pytest.mark.parametrize("other", ["photo.nef", "photo.ARW"])
def test_two_raw_files_of_one_name_have_no_adobe_sidecar(raw, other):
    raw.with_name(other).touch()
    with pytest.raises(SidecarShared, match=f"{other} as well.*SIDECAR_NAMES=darktable"):
        sidecar_for(raw, "adobe")
    assert sidecar_for(raw, "darktable").name == "photo.cr2.xmp"


def test_a_raw_file_goes_before_an_heic_of_its_name_and_a_jpeg_has_no_sidecar(raw):
    raw.with_name("photo.jpg").touch()
    raw.with_name("photo.heic").touch()
    assert sidecar_for(raw, "adobe").name == "photo.xmp"
    with pytest.raises(SidecarShared):
        sidecar_for(raw.with_name("photo.heic"), "adobe")


def test_the_sidecar_of_another_photo_of_the_same_name_is_not_read(raw, packet_text):
    text = packet_text.replace(
        'club:entry="17"',
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:SidecarForExtension="HEIC"',
    )
    raw.with_suffix(".xmp").write_text(text, encoding="utf-8")
    assert read_metadata(raw).keywords == ()
    raw.with_suffix(".xmp").write_text(text.replace("HEIC", "CR2"), encoding="utf-8")
    assert read_metadata(raw).keywords == ("harbor", "Küste")


def test_without_exiftool_a_raw_file_is_refused_with_a_clear_word(raw, writer, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ExifToolMissing, match=r"sidecar, which exiftool writes.*install it"):
        writer.write(raw, MetadataFields(title="T"))
    assert [path.name for path in raw.parent.iterdir()] == ["photo.cr2"]
