from __future__ import annotations

import os
from pathlib import Path

import pytest

from photos import discovery
from photos.discovery import discover
from photos.errors import FolderUnreadable, NoPhotos
from store.path_text import text_path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder: Path) -> list[str]:
    return [one.relative for one in discover(folder).found]


def test_photos_of_all_folders_below_are_found_in_order(tmp_path):
    touch(tmp_path, "b.jpg", "a.JPG", "sub/deeper/c.tiff", "sub/d.webp")
    assert found(tmp_path) == ["a.JPG", "b.jpg", "sub/d.webp", "sub/deeper/c.tiff"]


def test_a_found_file_says_its_size_and_time(tmp_path):
    touch(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_700_000_000_123_456_789))
    (one,) = discover(tmp_path).found
    assert (one.path, one.size, one.mtime_ns) == (tmp_path / "a.jpg", 1, 1_700_000_000_123_456_789)


def test_raw_files_are_listed_as_such(tmp_path):
    touch(tmp_path, "a.CR3", "a.jpg", "b.dng")
    assert [(one.relative, one.kind) for one in discover(tmp_path).found] == [
        ("a.CR3", "raw"),
        ("a.jpg", "picture"),
        ("b.dng", "raw"),
    ]


def test_hidden_files_sidecars_and_others_are_left_alone(tmp_path):
    touch(
        tmp_path, "a.jpg", ".b.jpg", "._a.jpg", ".cache/c.jpg", "a.xmp", "a.jpg.pp3", "notes.txt", "Thumbs.db"
    )
    touch(tmp_path, "@eaDir/a.jpg", "__MACOSX/a.jpg")
    assert found(tmp_path) == ["a.jpg"]


def test_a_picture_without_an_extension_is_found_by_its_content(tmp_path, encoded, scene):
    (tmp_path / "IMG_0001").write_bytes(encoded(scene, "JPEG"))
    (tmp_path / "README").write_text("no picture", encoding="utf-8")
    assert found(tmp_path) == ["IMG_0001"]


def test_an_empty_photo_is_found_so_that_it_gets_its_row(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert found(tmp_path) == ["empty.jpg"]


def test_a_name_that_is_not_utf8_is_found_and_leads_back_to_the_file(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9 100%.jpg"
    Path(os.fsdecode(raw)).write_bytes(b"x")
    (one,) = discover(tmp_path).found
    assert one.relative == "caf%E9 100%25.jpg"
    assert (tmp_path / text_path(one.relative)).read_bytes() == b"x"


def test_links_that_form_a_loop_end(tmp_path):
    touch(tmp_path, "sub/a.jpg")
    (tmp_path / "sub/again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "sub/self").symlink_to(tmp_path / "sub", target_is_directory=True)
    result = discover(tmp_path)
    assert [one.relative for one in result.found] == ["sub/a.jpg"]
    assert result.problems == ()


def test_a_link_to_itself_is_a_problem(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (problem,) = discover(tmp_path).problems
    assert (problem.path_text, problem.error_class) == ("self.jpg", "unreadable")


def test_a_link_inside_the_folder_finds_no_photo_twice(tmp_path):
    touch(tmp_path, "z/a.jpg")
    (tmp_path / "b").symlink_to(tmp_path / "z", target_is_directory=True)
    (tmp_path / "c.jpg").symlink_to(tmp_path / "z/a.jpg")
    assert found(tmp_path) == ["z/a.jpg"]


def test_a_link_that_leaves_the_folder_is_reported_and_not_followed(tmp_path):
    touch(tmp_path, "batch/a.jpg", "elsewhere/secret.jpg")
    (tmp_path / "batch/out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "batch/out.jpg").symlink_to(tmp_path / "elsewhere/secret.jpg")
    result = discover(tmp_path / "batch")
    assert [one.relative for one in result.found] == ["a.jpg"]
    assert [(one.path_text, one.error_class) for one in result.problems] == [
        ("out", "link_outside"),
        ("out.jpg", "link_outside"),
    ]


@pytest.mark.parametrize("target", [".git/annex/objects/a.jpg", "z/.a.jpg", "@eaDir/a.jpg", "z/a.jpg.bin"])
def test_a_link_to_what_is_not_looked_at_is_reported(tmp_path, target):
    touch(tmp_path, "b.jpg", target)
    (tmp_path / "a.jpg").symlink_to(tmp_path / target)
    result = discover(tmp_path)
    assert [one.relative for one in result.found] == ["b.jpg"]
    assert [(one.path_text, one.error_class) for one in result.problems] == [("a.jpg", "link_hidden")]


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path, "real/sub/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert found(tmp_path / "link") == ["sub/a.jpg"]


def test_a_broken_link_with_a_photos_name_is_a_problem(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (problem,) = discover(tmp_path).problems
    assert problem.path_text == "gone.jpg"


def test_a_pipe_with_a_photos_name_is_a_problem_and_does_not_block(tmp_path):
    touch(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (problem,) = discover(tmp_path).problems
    assert (problem.path_text, problem.error_class) == ("pipe.jpg", "unreadable")


def test_a_folder_that_may_not_be_read_is_a_problem_and_the_rest_is_found(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "locked/b.jpg", "open/c.jpg")
    scandir = os.scandir

    # Permissions do not stop root, as whom tests may run: so the refusal is the system call's.
    def refuse(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(discovery.os, "scandir", refuse)
    result = discover(tmp_path)
    assert [one.relative for one in result.found] == ["a.jpg", "open/c.jpg"]
    (problem,) = result.problems
    assert (problem.path_text, problem.error_class) == ("locked", "unreadable")
    assert "Permission denied" in problem.message


def test_a_folder_without_any_photo_says_so(tmp_path):
    touch(tmp_path, "notes.txt", "sub/list.csv")
    with pytest.raises(NoPhotos, match="holds no photo; put JPEG"):
        discover(tmp_path)


def test_a_folder_whose_photos_cannot_be_reached_says_why(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(NoPhotos, match=r"first gone\.jpg"):
        discover(tmp_path)


@pytest.mark.parametrize("name", ["missing", "file.jpg"])
def test_what_is_no_folder_is_named(tmp_path, name):
    touch(tmp_path, "file.jpg")
    with pytest.raises(FolderUnreadable, match=name):
        discover(tmp_path / name)
