"""Archives: whole or not at all when they are written, and a stranger's when they are read."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.archives import unpack, written_archive
from store.errors import ArchiveRefused

ROOM = 1_000_000


def taken(path, into, *, room=ROOM):
    into.mkdir(exist_ok=True)
    return unpack(path, into, allowed=lambda name: name != "no", room=lambda _: room)


def hostile(path, *members):
    """An archive as anybody can make one: members as (TarInfo, content)."""
    with tarfile.open(path, "w") as tar:
        for facts, content in members:
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return path


def named(name, **facts):
    made = tarfile.TarInfo(name)
    for field, value in facts.items():
        setattr(made, field, value)
    return made


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_what_is_written_is_read_back_with_its_digests(tmp_path, suffix):
    path, moved = tmp_path / f"a{suffix}", []
    content = bytes(range(256)) * 5000
    with written_archive(path, moved.append) as archive:
        archive.add("assets/x/ü.bin", io.BytesIO(content), len(content))
        archive.add("state.db", io.BytesIO(b"longer than wanted"), 6)

    assert taken(path, tmp_path / "out", room=2 * ROOM) == archive.files
    assert (tmp_path / "out" / "assets" / "x" / "ü.bin").read_bytes() == content
    assert (tmp_path / "out" / "state.db").read_bytes() == b"longer"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sum(moved) == len(content) + 6


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_an_archive_that_is_cut_within_a_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with written_archive(path) as archive:
        content = random.Random(1).randbytes(50_000)
        archive.add("assets/a", io.BytesIO(content), len(content))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(ArchiveRefused):
        taken(path, tmp_path / "out")


def test_when_the_block_raises_what_was_there_stays_and_nothing_else(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(b"older")
    with pytest.raises(KeyError), written_archive(path):
        raise KeyError

    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"older"]


@pytest.mark.parametrize(
    "facts",
    [
        named("../out.txt"),
        named("/etc/passwd"),
        named("assets/../../x"),
        named("assets//x"),
        named("assets\\x"),
        named("a\nb"),
        named("./state.db"),
        named("no"),
        named("a/" * 30 + "x"),
        named("x" * 256),
        named("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        named("hard", type=tarfile.LNKTYPE, linkname="first"),
        named("pipe", type=tarfile.FIFOTYPE),
        named("device", type=tarfile.CHRTYPE),
        named("folder", type=tarfile.DIRTYPE),
    ],
    ids=lambda facts: facts.name[:20],
)
def test_no_name_leads_out_and_nothing_but_plain_files_comes_in(tmp_path, facts):
    path = hostile(tmp_path / "evil.tar", (named("first"), b"1"), (facts, b""))

    with pytest.raises(ArchiveRefused):
        taken(path, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["evil.tar", "first", "out"]


def test_a_file_that_is_there_twice_is_refused(tmp_path):
    path = hostile(tmp_path / "evil.tar", (named("a"), b"1"), (named("a"), b"2"))

    with pytest.raises(ArchiveRefused, match="twice"):
        taken(path, tmp_path / "out")


def test_more_than_there_is_room_for_is_refused_before_it_is_written(tmp_path):
    path = hostile(tmp_path / "evil.tar", (named("a"), b"1" * 600), (named("b"), b"2" * 600))

    with pytest.raises(ArchiveRefused, match="room"):
        taken(path, tmp_path / "out", room=1000)
    assert not (tmp_path / "out" / "b").exists()


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "evil.tar"
    header = named("x", type=tarfile.XHDTYPE, size=1 << 33).tobuf(format=tarfile.GNU_FORMAT)
    path.write_bytes(header + b"\0" * 2048)

    with pytest.raises(ArchiveRefused, match="header"):
        taken(path, tmp_path / "out")


@settings(max_examples=100)
@given(data=st.binary(max_size=3000), prefix=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_noise_is_refused_or_empty(tmp_path_factory, data, prefix):
    folder = tmp_path_factory.mktemp("noise")
    (folder / "a.tar").write_bytes(prefix + data)
    try:
        found = taken(folder / "a.tar", folder / "out")
    except ArchiveRefused:
        return
    assert found == {}
