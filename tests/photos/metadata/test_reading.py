from __future__ import annotations

import contextlib
import random

import pytest

from photos.metadata.errors import MetadataUnreadable
from photos.metadata.fields import PhotoMetadata
from photos.metadata.reading import read_embedded, read_metadata, sidecars_of


def test_a_photo_says_all_of_it(photo):
    said = read_metadata(photo)
    assert said == PhotoMetadata(
        description="Boats.",
        descriptions={"x-default": "Boats.", "de-DE": "Boote.", "fr": "Bateaux."},
        keywords=("harbor", "Küste"),
        hierarchical_keywords=("place|harbor",),
        rating=3,
        creator=("Member 07",),
        copyright="CC0",
        captured="2024-05-11T08:12:40",
        sources=("embedded",),
    )


def test_a_photo_without_anything_says_nothing(make_photo):
    for name in ("photo.jpg", "photo.png", "photo.webp"):
        assert read_metadata(make_photo(name)) == PhotoMetadata()


def test_iptc_and_exif_speak_where_xmp_is_silent(make_photo):
    said = read_metadata(
        make_photo(
            "photo.jpg",
            iptc={
                "Iptc.Application2.ObjectName": "Title",
                "Iptc.Application2.Caption": "Caption",
                "Iptc.Application2.Headline": "Headline",
                "Iptc.Application2.Keywords": ["one", "two"],
                "Iptc.Application2.Byline": ["Member 09"],
            },
            exif={"Exif.Image.Copyright": "CC0", "Exif.Image.ImageDescription": "exif"},
        )
    )
    assert (said.title, said.description, said.headline) == ("Title", "Caption", "Headline")
    assert (said.keywords, said.creator, said.copyright) == (("one", "two"), ("Member 09",), "CC0")
    assert said.has_iptc


SAYS_BOATS = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">Boats at dawn.\n\nNobody is up.</rdf:li>'
    "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize(
    ("caption", "in_exif", "contradicted"),
    [
        ("Boats at dawn.\n\nNobody is up.", "SONY DSC", ()),
        ("Boats at dawn.\rNobody is", "Boats at dawn.", ()),
        ("The harbor.", "Boats at dawn.", ("description",)),
        ("Boats at dawn.", "The harbor.", ("description",)),
    ],
    ids=["the same", "cut, with other line ends", "another in IPTC", "another in EXIF"],
)
def test_what_iptc_or_exif_say_otherwise_than_xmp_is_told(make_photo, caption, in_exif, contradicted):
    path = make_photo(
        "photo.jpg",
        xmp=SAYS_BOATS,
        iptc={"Iptc.Application2.Caption": caption, "Iptc.Application2.ObjectName": "Harbor"},
        exif={"Exif.Image.ImageDescription": in_exif},
    )
    said = read_metadata(path)
    assert said.description == "Boats at dawn.\n\nNobody is up."
    assert said.contradicted == contradicted


def test_keywords_of_xmp_and_iptc_are_joined_and_cut_ones_known_again(make_photo):
    long = "ü" * 40
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag>'
        f"<rdf:li>{long}</rdf:li><rdf:li>cat</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    path = make_photo(
        "photo.jpg", xmp=packet, iptc={"Iptc.Application2.Keywords": ["cat", "ü" * 32, "other"]}
    )
    assert read_metadata(path).keywords == (long, "cat", "other")


@pytest.mark.parametrize(
    "text",
    ["OLYMPUS DIGITAL CAMERA", "SONY DSC", "          ", "DCIM\\100MEDIA\\DJI_1.JPG", "oplus_1024", "_cuva"],
)
def test_a_cameras_factory_text_is_no_description(make_photo, text):
    assert (
        read_metadata(make_photo("photo.jpg", exif={"Exif.Image.ImageDescription": text})).description is None
    )


def test_a_time_keeps_its_offset_and_an_unset_clock_is_no_time(make_photo):
    exif = {"Exif.Photo.DateTimeOriginal": "2024:05:11 08:12:40", "Exif.Photo.OffsetTimeOriginal": "+02:00"}
    assert read_metadata(make_photo("photo.jpg", exif=exif)).captured == "2024-05-11T08:12:40+02:00"
    unset = {"Exif.Photo.DateTimeOriginal": "0000:00:00 00:00:00"}
    assert read_metadata(make_photo("photo.jpg", exif=unset)).captured is None


def test_an_exif_text_in_an_old_character_set_is_read(make_photo):
    path = make_photo("photo.jpg", exif={"Exif.Image.Artist": "Kuste"})
    path.write_bytes(path.read_bytes().replace(b"Kuste", b"K\xfcste"[:5]))
    assert read_metadata(path).creator == ("Küste",)


def test_a_sidecar_speaks_for_a_photo_that_nobody_writes_into(tmp_path, packet_text):
    photo = tmp_path / "photo.heic"
    photo.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1")
    assert read_metadata(photo) == PhotoMetadata()
    (tmp_path / "photo.heic.xmp").write_text(packet_text.replace("harbor", "darktable"), encoding="utf-8")
    assert "darktable" in read_metadata(photo).keywords
    (tmp_path / "photo.xmp").write_text(packet_text, encoding="utf-8")
    said = read_metadata(photo)
    assert said.keywords == ("harbor", "Küste")
    assert said.sources == ("photo.xmp", "photo.heic.xmp")
    assert [path.name for path in sidecars_of(photo)] == ["photo.xmp", "photo.heic.xmp"]


def test_a_writer_reads_in_a_process_of_its_own_what_is_read_here(
    make_photo, packet_text, writer, monkeypatch
):
    paths = [make_photo("photo.jpg", xmp=packet_text), make_photo("packed.tif", xmp=packet_text)]
    paths[1] = paths[1].rename(paths[1].with_suffix(".nef"))
    paths[1].with_suffix(".xmp").write_text(packet_text.replace("harbor", "sidecar"), encoding="utf-8")
    expected = [read_metadata(path) for path in paths]
    monkeypatch.setattr("photos.metadata.embedded.pyexiv2.Image", None)
    assert [writer.read(path) for path in paths] == expected
    assert expected[1].sources == ("packed.xmp", "embedded")


def test_a_sidecar_beside_a_jpeg_is_ignored_as_lightroom_does(photo, packet_text):
    photo.with_suffix(".xmp").write_text(packet_text.replace("harbor", "sidecar"), encoding="utf-8")
    assert "sidecar" not in read_metadata(photo).keywords


def test_a_sidecar_can_be_read_by_itself(tmp_path, packet_text):
    path = tmp_path / "photo.xmp"
    path.write_text(packet_text, encoding="utf-8")
    assert read_metadata(path).rating == 3
    path.write_text("broken", encoding="utf-8")
    with pytest.raises(MetadataUnreadable, match=r"photo\.xmp"):
        read_metadata(path)


def test_what_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(MetadataUnreadable, match=r"gone\.jpg"):
        read_metadata(tmp_path / "gone.jpg")
    with pytest.raises(MetadataUnreadable, match=r"gone\.jpg"):
        read_embedded(tmp_path / "gone.jpg")


def test_values_survive_json_and_back(photo):
    said = read_metadata(photo)
    assert PhotoMetadata.from_dict(said.as_dict()) == said


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_photo_is_read_or_told_but_never_breaks_the_reader(photo, seed):
    chance = random.Random(seed)
    data = bytearray(photo.read_bytes())
    for _ in range(chance.randint(1, 30)):
        data[chance.randrange(2, min(len(data), 3000))] = chance.randrange(256)
    photo.write_bytes(data)
    with contextlib.suppress(MetadataUnreadable):
        assert read_metadata(photo).sources in {("embedded",), ()}


def test_padding_and_control_characters_of_old_blocks_are_left_out(make_photo):
    path = make_photo("photo.jpg", iptc={"Iptc.Application2.Keywords": ["cat__", "__"]})
    path.write_bytes(path.read_bytes().replace(b"cat__", b"cat\0\7").replace(b"__", b"\0\0"))
    assert read_metadata(path).keywords == ("cat",)
