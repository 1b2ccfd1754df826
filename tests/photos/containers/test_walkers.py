"""The walkers stand between hostile bytes and everything else: they end, and complain in one way only."""

from __future__ import annotations

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from photos.containers import jpeg
from photos.containers.bmff import check_boxes
from photos.containers.exif import NO_EXIF, read_exif
from photos.containers.jpeg import read_jpeg
from photos.containers.png import read_png
from photos.containers.reading import BrokenStructure, CutShort
from photos.containers.tiff import Tag, TiffReader
from photos.containers.webp import read_webp


def walk_jpeg(file):
    read_jpeg(file, whole=True)


def walk_tiff(file):
    reader = TiffReader(file)
    reader.feed_pictures(lambda _: None)


WALKERS = {
    "JPEG": walk_jpeg,
    "PNG": read_png,
    "WEBP": read_webp,
    "TIFF": walk_tiff,
    "AVIF": check_boxes,
}


def encoded(format_name: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    pixels = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format_name, exif=exif.tobytes())
    return buffer.getvalue()


ORIGINALS = {name: encoded(name) for name in WALKERS}


@pytest.mark.parametrize("name", WALKERS)
def test_a_whole_file_is_walked_to_its_end(name):
    WALKERS[name](io.BytesIO(ORIGINALS[name]))


@pytest.mark.parametrize("name", WALKERS)
@settings(deadline=None)
@given(st.data())
def test_a_file_cut_anywhere_is_told(name, data):
    whole = ORIGINALS[name]
    cut = data.draw(st.integers(0, len(whole) - 1))
    if name == "AVIF" and cut in box_ends(whole):
        return
    with pytest.raises(BrokenStructure):
        WALKERS[name](io.BytesIO(whole[:cut]))


def box_ends(data: bytes) -> set[int]:
    ends, at = {0}, 0
    while at < len(data):
        at += struct.unpack_from(">I", data, at)[0]
        ends.add(at)
    return ends


@pytest.mark.parametrize("name", WALKERS)
@settings(deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_changed_bytes_end_in_a_walk_or_a_complaint(name, changes):
    data = bytearray(ORIGINALS[name])
    for at, value in changes:
        data[at % len(data)] = value
    with contextlib.suppress(BrokenStructure):
        WALKERS[name](io.BytesIO(bytes(data)))


@pytest.mark.parametrize("name", WALKERS)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_walk_or_a_complaint(name, data):
    with contextlib.suppress(BrokenStructure):
        WALKERS[name](io.BytesIO(ORIGINALS[name][:12] + data))


@given(st.binary(max_size=300))
def test_any_exif_block_is_read_or_says_nothing(data):
    assert read_exif(data) == NO_EXIF
    read_exif(b"II*\0\x08\0\0\0" + data)
    read_exif(b"Exif\0\0MM\0*\0\0\0\x08" + data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
def test_directories_are_read_in_both_orders_and_sizes(order, big):
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16)
        body = struct.pack(order + "QHHQHxxxxxxQ", 1, Tag.ORIENTATION, 3, 1, 6, 0)
    else:
        head = mark + struct.pack(order + "HI", 42, 8)
        body = struct.pack(order + "HHHIHxxI", 1, Tag.ORIENTATION, 3, 1, 6, 0)
    reader = TiffReader(io.BytesIO(head + body))
    assert reader.integer(reader.first(), Tag.ORIENTATION, 1) == 6
    assert len(list(reader.directories())) == 1


def test_a_tag_that_claims_too_many_values_is_refused_unread():
    entry = struct.pack("<HHHII", 1, Tag.STRIP_OFFSETS, 4, 0xFFFFFFFF, 8)
    reader = TiffReader(io.BytesIO(b"II*\0\x08\0\0\0" + entry + bytes(4)))
    with pytest.raises(BrokenStructure, match="claims 4,294,967,295 values"):
        reader.values(reader.first(), Tag.STRIP_OFFSETS)


class CountingFile(io.BytesIO):
    """Counts the bytes that were read."""

    count = 0

    def read(self, size=-1):
        data = super().read(size)
        self.count += len(data)
        return data


def tiff(*entries: tuple[int, int, int, int], values: bytes = b"", directories: int = 1) -> bytes:
    """Directories in a chain, all with the same entries; what does not fit into one lies at the end."""
    size = 2 + 12 * len(entries) + 4
    end = 8 + size * directories
    table = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        table += struct.pack("<HHII", tag, kind, count, end if value == -1 else value)
    links = [8 + size * (number + 1) for number in range(directories - 1)]
    chain = b"".join(table + struct.pack("<I", link) for link in (*links, 0))
    return b"II*\0" + struct.pack("<I", 8) + chain + values


def test_of_many_values_the_first_is_read_alone():
    file = CountingFile(tiff((Tag.PHOTOMETRIC, 3, 1_000_000, -1), values=b"\2\0" * 1_000_000))
    reader = TiffReader(file)
    assert reader.integer(reader.first(), Tag.PHOTOMETRIC, 0) == 2
    assert file.count < 100


def test_a_tag_without_values_or_of_text_is_no_integer():
    for kind, count in ((3, 0), (2, 4)):
        reader = TiffReader(io.BytesIO(tiff((Tag.PHOTOMETRIC, kind, count, 0x41414141))))
        assert reader.integer(reader.first(), Tag.PHOTOMETRIC, 7) == 7


PICTURE = ((256, 3, 1, 1), (257, 3, 1, 1), (273, 4, 0, 0), (279, 4, 0, 0))
SHARED = 500_000


@pytest.mark.parametrize(
    "entries",
    [
        ((258, 1, SHARED, -1), *PICTURE),
        ((34675, 7, SHARED, -1), *PICTURE),
        (*PICTURE[:2], (273, 1, SHARED, -1), (279, 1, SHARED, -1)),
    ],
    ids=["numbers", "a profile", "strips"],
)
def test_values_that_all_directories_share_are_not_read_for_each(entries):
    file = CountingFile(tiff(*entries, values=bytes(SHARED), directories=1_000))
    with pytest.raises(BrokenStructure, match="again and again"):
        TiffReader(file).feed_pictures(lambda _: None)
    assert file.count < 32 << 20


def test_directories_that_lie_on_one_another_are_not_read_for_each():
    # At every twelfth byte begins a directory of 65,535 entries, and each links to the next.
    entries, directories = 0xFFFF, 100
    data = bytearray(struct.pack("<H10x", entries) * (entries + 1 + directories))
    for number in range(directories):
        struct.pack_into("<I", data, 12 * (number + entries) + 2, 8 + 12 * (number + 1))
    file = CountingFile(b"II*\0" + struct.pack("<I", 8) + data)
    with pytest.raises(BrokenStructure, match="again and again"):
        list(TiffReader(file).directories())
    assert file.count < 32 << 20


@pytest.mark.parametrize(("tag", "count"), [(Tag.SUB_IFDS, 1_025), (Tag.STRIP_OFFSETS, 1_000_001)])
def test_more_directories_or_strips_than_any_real_file_has_are_refused_unread(tag, count):
    others = (entry for entry in PICTURE if entry[0] != tag)
    file = CountingFile(tiff(*others, (tag, 4, count, -1), values=bytes(4 * count)))
    with pytest.raises(BrokenStructure, match=f"claims {count:,} values"):
        TiffReader(file).feed_pictures(lambda _: None)
    assert file.count < 1_000


def test_a_tag_beyond_the_end_is_cut_short():
    entry = struct.pack("<HHHII", 1, Tag.STRIP_OFFSETS, 4, 100, 8)
    reader = TiffReader(io.BytesIO(b"II*\0\x08\0\0\0" + entry + bytes(4)))
    with pytest.raises(CutShort):
        reader.values(reader.first(), Tag.STRIP_OFFSETS)


def test_a_jpegs_components_are_told_as_libjpeg_tells_them():
    assert read_jpeg(io.BytesIO(ORIGINALS["JPEG"])).color_model == "ycc"
    rgb = io.BytesIO()
    Image.new("RGB", (8, 8)).save(rgb, "JPEG", keep_rgb=True)
    rgb.seek(0)
    assert read_jpeg(rgb).color_model == "rgb"


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=6).filter(lambda data: 0xFF not in data),
            st.sampled_from([b"\xff\x00", b"\xff\xd0", b"\xff\xd7"]),
        ),
        max_size=40,
    ),
    st.integers(3, 9),
)
def test_a_jpegs_scan_reaches_to_its_next_marker_wherever_blocks_end(pieces, block):
    data, scan, fed = ORIGINALS["JPEG"], b"".join(pieces), bytearray()
    at = data.rindex(b"\xff\xda") + 2
    header = data[: at + int.from_bytes(data[at : at + 2], "big")]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jpeg, "BLOCK_BYTES", block)
        read_jpeg(io.BytesIO(header + scan + b"\xff\xd9a trailer \xff\xd9"), feed=fed.extend)
    assert fed.endswith(scan)
    assert bytes(fed).count(b"trailer") == 0


def test_a_progressive_jpeg_says_what_its_coefficients_take():
    made = io.BytesIO()
    Image.new("RGB", (640, 480)).save(made, "JPEG", progressive=True, subsampling=0)
    made.seek(0)
    coefficients = 640 * 480 * 3 * 2
    assert coefficients <= read_jpeg(made).buffer_bytes <= coefficients * 1.1
    assert read_jpeg(io.BytesIO(ORIGINALS["JPEG"])).buffer_bytes == 0
