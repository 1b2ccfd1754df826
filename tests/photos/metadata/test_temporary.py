from __future__ import annotations

import os

import pytest

from photos.metadata.errors import ReadOnlyFolder, WriteFailed
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.temporary import explaining, hidden_copy, sweep


def test_a_copy_is_hidden_locked_and_gone_afterwards(tmp_path):
    with hidden_copy(tmp_path / "photo.nef") as copy:
        assert copy.name.startswith(".")
        assert copy.suffix == ".nef"
        assert sweep(tmp_path) == ()
        assert copy.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_was_renamed_stays(tmp_path):
    with hidden_copy(tmp_path / "photo.jpg") as copy:
        copy.write_bytes(b"new")
        copy.replace(tmp_path / "photo.jpg")
    assert (tmp_path / "photo.jpg").read_bytes() == b"new"


def test_an_odd_extension_does_not_get_into_the_name(tmp_path):
    with hidden_copy(tmp_path / os.fsdecode(b"photo.\xff\xfe")) as copy:
        assert copy.name.endswith(".tmp")


def test_a_sweep_takes_only_its_own_leftovers(tmp_path):
    own = tmp_path / ".imageworks-00000000000000aa.tmp"
    for path in (own, tmp_path / ".imageworks-notes", tmp_path / "photo.jpg"):
        path.write_bytes(b"")
    assert sweep(tmp_path) == (own,)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".imageworks-notes", "photo.jpg"]


def test_a_link_by_a_leftovers_name_is_not_followed(tmp_path):
    victim = tmp_path / "photo.jpg"
    victim.write_bytes(b"picture")
    (tmp_path / ".imageworks-00000000000000aa.tmp").symlink_to(victim)
    assert sweep(tmp_path) == ()
    assert victim.read_bytes() == b"picture"


@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "pipe"])
def test_what_stands_in_the_way_of_a_sweep_keeps_no_photo_from_being_written(photo, writer, kind):
    path = photo.with_name(".imageworks-00000000000000aa.tmp")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(photo if kind == "link" else "nowhere")
    assert writer.write(photo, MetadataFields(title="A title")).changed
    assert read_metadata(photo).title == "A title"


def test_another_users_leftover_is_skipped(tmp_path, monkeypatch):
    theirs, ours = (tmp_path / f".imageworks-00000000000000a{each}.tmp" for each in "ab")
    for path in (theirs, ours):
        path.touch()
    opened = os.open

    # Permissions do not stop root, as whom tests may run: so the refusal is the system call's.
    def refuse(path, *arguments):
        if path == theirs:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    monkeypatch.setattr("photos.metadata.temporary.os.open", refuse)
    assert sweep(tmp_path) == (ours,)


@pytest.mark.parametrize(
    ("number", "expected"), [(13, ReadOnlyFolder), (30, ReadOnlyFolder), (5, WriteFailed)]
)
def test_the_systems_refusals_are_told_in_our_words(tmp_path, number, expected):
    with pytest.raises(expected), explaining(tmp_path / "photo.jpg"):
        raise OSError(number, os.strerror(number))
