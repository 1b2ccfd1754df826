"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from store.errors import PublishFailed
from store.publishing import TEMPORARY_SUFFIX, make_folder, publish_file

KILLED = """
import os, signal, sys
from pathlib import Path
from store.publishing import publish_file

os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
publish_file(Path(sys.argv[1]), b"never")
"""


@pytest.fixture
def small_disk():
    """No file grows beyond 4 KiB, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_published_file_has_all_of_its_bytes_and_nothing_is_left_beside_it(tmp_path):
    place = tmp_path / "a" / "b" / "report.html"
    publish_file(place, b"x" * 1_000_000)
    assert place.read_bytes() == b"x" * 1_000_000
    assert list(place.parent.iterdir()) == [place]


def test_publishing_again_replaces_the_file(tmp_path):
    place = tmp_path / "manifest.json"
    publish_file(place, b"old")
    publish_file(place, b"new")
    assert place.read_bytes() == b"new"


def test_who_has_the_old_file_open_still_reads_it(tmp_path):
    place = tmp_path / "x"
    publish_file(place, b"old")
    with place.open("rb") as reader:
        publish_file(place, b"new")
        assert reader.read() == b"old"


@pytest.mark.parametrize("name", ["caf\udce9.jpg", "写真.jpg", "n" * 255])
def test_any_name_that_the_file_system_takes_can_be_published(tmp_path, name):
    publish_file(tmp_path / name, b"x")
    assert (tmp_path / name).read_bytes() == b"x"


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, small_disk):
    place = tmp_path / "caf\udce9"
    publish_file(place, b"old")
    with pytest.raises(PublishFailed, match=r"caf%E9 could not be written: File too large"):
        publish_file(place, b"n" * 10_000)
    assert place.read_bytes() == b"old"
    assert not list(tmp_path.glob(f"*{TEMPORARY_SUFFIX}"))


def test_a_folder_in_the_place_is_an_error(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(PublishFailed, match="could not be written"):
        publish_file(tmp_path / "x", b"")
    assert not list(tmp_path.glob(f"*{TEMPORARY_SUFFIX}"))


def test_what_a_killed_publisher_left_is_removed_by_one_that_comes_an_hour_later(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.json"], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    publish_file(tmp_path / "b.json", b"b")
    assert left.exists()
    os.utime(left, (0, time.time() - 3601))
    publish_file(tmp_path / "b.json", b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]


def test_what_a_living_publisher_writes_is_left_alone_where_no_lock_is_seen(tmp_path, monkeypatch):
    """As on a disk that hosts share: a lock on a folder holds on its own host alone."""
    real = os.fsync

    def publish_another(descriptor):
        monkeypatch.setattr(os, "fsync", real)
        publish_file(tmp_path / "b.json", b"b")
        real(descriptor)

    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(os, "fsync", publish_another)
    publish_file(tmp_path / "a.json", b"a")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "b.json"}


def test_many_publish_into_one_folder_at_once(tmp_path):
    contents = [bytes([number]) * 50_000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda data: publish_file(tmp_path / "x", data), contents))
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]
    assert (tmp_path / "x").read_bytes() in contents


def test_making_a_folder_that_is_there_is_fine(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
