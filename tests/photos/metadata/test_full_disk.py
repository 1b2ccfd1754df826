"""A disk that fills up at any moment of a write, and folders that nobody may write into: no file is harmed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess

import pytest
from photo_library import encoded, packet, tiff

from photos.metadata.errors import DiskFull, MetadataError, ReadOnlyFolder
from photos.metadata.fields import MetadataFields
from photos.metadata.undo import undo
from photos.metadata.writing import MetadataWriter

FIELDS = MetadataFields(title="T", description="x" * 9000, keywords=("harbor", "boat"))
EXIFTOOL = shutil.which("exiftool")
SIZE = 512 * 1024


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """A file system of its own, for which one has to be root."""
    place = tmp_path_factory.mktemp("disk")
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def photos(small_disk):
    for path in small_disk.iterdir():
        path.unlink()
    (small_disk / "photo.jpg").write_bytes(encoded(1, "JPEG", quality=90) + b"\0" * 100_000)
    (small_disk / "photo.tif").write_bytes(tiff(1))
    names = ["photo.jpg", "photo.tif"]
    if EXIFTOOL is not None:
        (small_disk / "one.nef").write_bytes(tiff(2))
        (small_disk / "two.nef").write_bytes(tiff(3))
        (small_disk / "two.xmp").write_text(packet(3) + " " * 5000, encoding="utf-8")
        names += ["one.nef", "two.nef"]
    return [small_disk / name for name in names]


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "filler"
    }


@pytest.mark.slow
def test_whatever_room_is_left_a_file_is_written_whole_or_left_as_it_was(photos):
    folder = photos[0].parent
    before = digests(folder)
    ended = {path.name: set() for path in photos}
    with MetadataWriter() as writer:
        for room in (0, 4, 8, 12, 16, 20, 24, 32, 48, 96, 100, 104, 108, 112, 116, 120, 130):
            for path in photos:
                fill(folder, leaving=room * 1024)
                ended[path.name].add(outcome(writer, path))
                (folder / "filler").unlink()
                assert digests(folder) == before
    # Each was written with room enough, and told of a full disk without any.
    assert all({"written", "disk_full"} <= seen for seen in ended.values()), ended


def outcome(writer, path):
    """What came of a write, taken back again."""
    before = digests(path.parent)
    try:
        written = writer.write(path, FIELDS)
    except MetadataError as problem:
        assert digests(path.parent) == before
        assert path.name in str(problem) or str(path.parent) in str(problem)  # noqa: PT017 - either end is right
        return problem.error_class
    (path.parent / "filler").write_bytes(b"")
    undo(written.path, written.undo)
    return "written"


def fill(folder, *, leaving):
    state = os.statvfs(folder)
    size = max(0, state.f_bavail * state.f_frsize - leaving)
    (folder / "filler").write_bytes(b"\0" * size)


def test_an_undo_without_room_leaves_the_photo_as_we_wrote_it(photos):
    path, folder = photos[0], photos[0].parent
    before = digests(folder)
    with MetadataWriter() as writer:
        written = writer.write(path, FIELDS)
    after = digests(folder)
    fill(folder, leaving=4096)
    with pytest.raises(DiskFull, match="free some space"):
        undo(path, written.undo)
    assert digests(folder) == after
    (folder / "filler").unlink()
    undo(path, written.undo)
    assert digests(folder) == before


def test_nothing_is_written_into_or_beside_photos_of_a_read_only_file_system(photos):
    folder = photos[0].parent
    before = digests(folder)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        with MetadataWriter() as writer:
            for path in photos:
                with pytest.raises(MetadataError) as refused:
                    writer.write(path, FIELDS)
                assert refused.value.error_class in {"read_only_file", ReadOnlyFolder.error_class}
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    assert digests(folder) == before
