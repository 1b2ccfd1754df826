from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc

import numpy as np
import pyexiv2
import pytest
import tifffile
from PIL import Image

from photos.errors import Unreadable
from photos.facts import read_facts
from photos.identity import file_sha256, photo_id

STRUCTURED = {
    "baseline.jpg": {},
    "progressive.jpg": {"progressive": True},
    "plain.png": {},
    "lossy.webp": {},
    "lossless.webp": {"lossless": True},
    "bare.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "jpeg.tif": {"compression": "jpeg"},
}


def rewrite_all_text(path) -> None:
    """What catalogs write: XMP, EXIF text and, where the format has it, IPTC; more of it than fits in place."""
    with pyexiv2.Image(str(path)) as image:
        image.modify_xmp(
            {"Xmp.dc.title": {'lang="x-default"': "A title"}, "Xmp.dc.subject": ["keyword" * 20] * 30}
        )
    with pyexiv2.Image(str(path)) as image:
        image.modify_exif({"Exif.Image.ImageDescription": "words " * 500, "Exif.Image.Copyright": "somebody"})
    if path.suffix != ".webp":
        with pyexiv2.Image(str(path)) as image:
            image.modify_iptc({"Iptc.Application2.Keywords": ["keyword"] * 30})


def set_orientation(path, value: int) -> None:
    with pyexiv2.Image(str(path)) as image:
        image.modify_exif({"Exif.Image.Orientation": str(value)})


@pytest.mark.parametrize("orientation", [None, 6])
@pytest.mark.parametrize("name", STRUCTURED)
def test_metadata_do_not_change_who_a_photo_is(save, scene, name, orientation, request):
    options = dict(STRUCTURED[name])
    if orientation:
        options["exif"] = request.getfixturevalue("exif")(orientation)
        options["icc_profile"] = request.getfixturevalue("srgb")
    path = save(name, scene, **options)
    before, bytes_before = photo_id(path), file_sha256(path)
    rewrite_all_text(path)
    assert photo_id(path) == before
    assert file_sha256(path) != bytes_before
    assert read_facts(path).orientation == (orientation or 1)


@pytest.mark.parametrize("name", STRUCTURED)
def test_orientation_is_part_of_who_a_photo_is(save, scene, name):
    path = save(name, scene, **STRUCTURED[name])
    before = photo_id(path)
    set_orientation(path, 8)
    assert photo_id(path) != before
    set_orientation(path, 1)
    assert photo_id(path) == before


@pytest.mark.parametrize("name", STRUCTURED)
def test_the_profile_is_part_of_who_a_photo_is(save, scene, srgb, adobe_rgb, name):
    ids = {photo_id(save(name, scene, **STRUCTURED[name], icc_profile=icc)) for icc in (srgb, adobe_rgb)}
    ids.add(photo_id(save(name, scene, **STRUCTURED[name])))
    assert len(ids) == 3


@pytest.mark.parametrize("name", STRUCTURED)
def test_one_changed_pixel_is_another_photo(save, scene, name):
    other = scene.copy()
    other[100:108, 100:108] ^= 255
    assert photo_id(save(name, scene, **STRUCTURED[name])) != photo_id(save(name, other, **STRUCTURED[name]))


@pytest.mark.parametrize("name", ["moved.png", "moved.gif"])
def test_name_and_place_do_not_matter(save, scene, tmp_path, name):
    path = save(name, scene)
    before = photo_id(path)
    (tmp_path / "sub").mkdir()
    assert photo_id(path.rename(tmp_path / "sub" / ("other" + path.suffix))) == before


def test_a_tiff_by_a_raw_files_name_is_the_same_photo(save, scene):
    path = save("a.tif", scene, exif=made_by("NIKON CORPORATION"))
    before = photo_id(path)
    for name in ("a.nef", "a.dng", "a.arw", "a.jpg", "a"):
        path = path.rename(path.with_name(name))
        assert photo_id(path) == before, name


def made_by(maker: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = maker
    return exif.tobytes()


@pytest.mark.parametrize(
    ("tag", "value"), [(262, 32803), (259, 34713)], ids=["a color filter array", "Nikon's compression"]
)
def test_a_raw_file_is_told_by_what_is_in_it_and_identified_by_its_bytes(tmp_path, scene, tag, value):
    path = tmp_path / "a.nef"
    tifffile.imwrite(path, scene[..., 0], photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[tag].overwrite(value)
    assert photo_id(path) == file_sha256(path)
    path = path.rename(tmp_path / "a.tif")
    assert photo_id(path) == file_sha256(path)


@pytest.mark.parametrize("name", ["animated.webp", "animated.png"])
def test_metadata_do_not_change_who_an_animation_is(save, scene, name):
    frames = [Image.fromarray(scene[::-1])]
    path = save(name, scene, save_all=True, append_images=frames)
    before = photo_id(path)
    rewrite_all_text(path)
    assert photo_id(path) == before


def test_a_later_frame_is_part_of_who_an_animation_is(save, scene):
    one = save("one.webp", scene, save_all=True, append_images=[Image.fromarray(scene[::-1])])
    other = save("other.webp", scene, save_all=True, append_images=[Image.fromarray(scene[:, ::-1])])
    assert photo_id(one) != photo_id(other)


@pytest.mark.parametrize(
    "options",
    [{"rowsperstrip": 8}, {"tile": (64, 64), "compression": "deflate"}, {"byteorder": ">"}],
    ids=["strips", "tiles", "big-endian"],
)
def test_a_tiffs_strips_may_move(tmp_path, scene, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, scene, photometric="rgb", **options)
    before = photo_id(path)
    rewrite_all_text(path)
    assert photo_id(path) == before


def test_every_page_of_a_tiff_counts(tmp_path, scene):
    path = tmp_path / "pages.tif"
    ids = set()
    for second in (scene[::-1], scene[:, ::-1]):
        tifffile.imwrite(path, np.stack([scene, second]), photometric="rgb")
        ids.add(photo_id(path))
        before = photo_id(path)
        rewrite_all_text(path)
        assert photo_id(path) == before
    assert len(ids) == 2


def test_metadata_do_not_change_who_a_dng_is(dng):
    before = photo_id(dng)
    rewrite_all_text(dng)
    assert photo_id(dng) == before
    set_orientation(dng, 8)
    assert photo_id(dng) != before


def test_a_dngs_sensor_data_count(dng):
    before = photo_id(dng)
    data = bytearray(dng.read_bytes())
    with tifffile.TiffFile(dng) as file:
        at = file.pages[0].pages[0].dataoffsets[0]
    data[at + 1000] ^= 1
    dng.write_bytes(data)
    assert photo_id(dng) != before


def test_exif_kept_as_text_in_a_png_is_read(save, scene, exif):
    block = exif(6)
    hexadecimal = block.hex()
    lines = "\n".join(hexadecimal[at : at + 72] for at in range(0, len(hexadecimal), 72))
    plain = save("plain.png", scene)
    path = save("text.png", scene)
    text = b"Raw profile type exif\0" + f"\nexif\n{len(block):8}\n{lines}\n".encode()
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", 0)
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk + data[33:])
    assert read_facts(path).orientation == 6
    assert photo_id(path) != photo_id(plain)


def test_how_a_pngs_data_are_cut_into_chunks_does_not_matter(save, scene):
    path = save("a.png", scene)
    before = photo_id(path)
    data = path.read_bytes()
    at = data.index(b"IDAT") - 4
    (length,) = struct.unpack(">I", data[at : at + 4])
    body = data[at + 8 : at + 8 + length]

    def chunk(part: bytes) -> bytes:
        crc = 0  # the walker leaves checksums to the decoder
        return struct.pack(">I", len(part)) + b"IDAT" + part + struct.pack(">I", crc)

    path.write_bytes(data[:at] + chunk(body[:100]) + chunk(body[100:]) + data[at + 12 + length :])
    assert photo_id(path) == before


def test_what_follows_a_jpegs_end_is_not_the_photo(save, scene):
    path = save("a.jpg", scene)
    before = photo_id(path)
    path.write_bytes(path.read_bytes() + b"a maker's trailer" * 1000)
    assert photo_id(path) == before


def test_an_exif_thumbnail_is_not_the_photo(save, scene, encoded):
    path = save("a.jpg", scene)
    before = photo_id(path)
    with pyexiv2.Image(str(path)) as image:
        image.modify_exif({"Exif.Image.Make": "x"})
        thumbnail = path.with_name("thumb.jpg")
        thumbnail.write_bytes(encoded(scene[::4, ::4], "JPEG"))
        image.modify_thumbnail(thumbnail.read_bytes())
    assert photo_id(path) == before


def test_exifs_adobe_rgb_mark_counts_as_a_profile_would(save, scene, exif):
    srgb = save("a.jpg", scene, exif=exif(color_space=1))
    adobe = save("b.jpg", scene, exif=exif(color_space=0xFFFF, interoperability="R03"))
    assert photo_id(srgb) != photo_id(adobe)


@pytest.mark.parametrize("name", ["a.gif", "a.bmp"])
def test_another_format_is_identified_by_its_bytes(save, scene, name):
    path = save(name, scene)
    assert photo_id(path) == file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_file_has_an_id_all_the_same(save, scene, name, share):
    path = save(name, scene, **STRUCTURED[name])
    whole = photo_id(path)
    data = path.read_bytes()
    path.write_bytes(data[: max(1, int(len(data) * share))])
    assert photo_id(path) == file_sha256(path) != whole


def test_an_empty_file_has_an_id(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    assert photo_id(path) == hashlib.sha256(b"").hexdigest()


def test_a_missing_file_is_unreadable(tmp_path):
    with pytest.raises(Unreadable, match=r"gone\.jpg: cannot be read: No such file"):
        photo_id(tmp_path / "gone.jpg")


def test_a_tiff_whose_strips_all_lie_on_one_another_is_not_read_for_ever(tmp_path):
    # 2,000 strips of the same 1 MB would be 2 GB to digest.
    count, size = 2_000, 1 << 20
    entries = [(256, 3, 1, 1024), (257, 4, 1, count), (273, 4, count, 200), (279, 4, count, 200 + 4 * count)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    offsets, counts = struct.pack("<I", 20_000) * count, struct.pack("<I", size) * count
    data = (head.ljust(200, b"\0") + offsets + counts).ljust(20_000, b"\0") + bytes(size)
    path = tmp_path / "overlap.tif"
    path.write_bytes(data)
    assert photo_id(path) == file_sha256(path)


def test_memory_stays_bounded_however_large_the_file(tmp_path, encoded, scene):
    jpeg = encoded(scene, "JPEG", quality=95)
    start = jpeg.index(b"\xff\xda") + 14
    path = tmp_path / "long.jpg"
    with path.open("wb") as file:
        file.write(jpeg[:start])
        for _ in range(48):
            file.write(b"\x55" * (1 << 20))
        file.write(b"\xff\xd9")
    tracemalloc.start()
    try:
        photo_id(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_a_marker_that_two_blocks_share_is_seen(tmp_path, encoded, scene):
    jpeg = encoded(scene, "JPEG")
    start = jpeg.index(b"\xff\xda") + 14
    path = tmp_path / "a.jpg"
    ids = set()
    for missing in (0, 1, 2):
        # The end marker lies at every place around the end of the reader's first block of 1 MiB.
        entropy = b"\x55" * ((1 << 20) - missing)
        path.write_bytes(jpeg[:start] + entropy + b"\xff\xd9" + b"trailer")
        assert photo_id(path) != file_sha256(path)
        ids.add(photo_id(path))
    assert len(ids) == 3


def test_unused_bytes_between_a_tiffs_parts_are_not_the_photo(tmp_path, scene):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, scene, photometric="rgb")
    path = tmp_path / "a.tif"
    path.write_bytes(buffer.getvalue())
    before = photo_id(path)
    path.write_bytes(buffer.getvalue() + bytes(1000))
    assert photo_id(path) == before
