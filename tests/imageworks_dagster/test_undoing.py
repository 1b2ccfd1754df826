"""Taking tags back: what stands in a file is found by its hash, and only what was done is said."""

import hashlib
import shutil

import pytest
from at_terminal import imageworks
from made_up_photos import write_photo

from photos.metadata.fields import MetadataFields
from photos.metadata.writing import MetadataWriter

# Each writes into photos by whole runs.
pytestmark = pytest.mark.slow


UNDO = {"tagger/metadata": {"action": "undo"}}
APPLY = {"tagger/metadata": {"action": "apply"}}


@pytest.fixture
def shoot(platform, shoot_folder):
    """Two photos, and the bytes that they had before anybody wrote into them."""
    for name in ("IMG_0002.jpg", "IMG_0003.jpg", "IMG_0004.jpg"):
        (shoot_folder / name).unlink()
    return platform, shoot_folder, digests(shoot_folder)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def tag(platform, folder, config=None):
    batch = platform.register("tagger", folder)
    assert platform.run("tagger", batch, config=config).success
    return batch


def undo(platform, folder):
    """As `imageworks tag FOLDER --undo` does."""
    batch = platform.register("tagger", folder)
    assert platform.run("tagger", batch, config=UNDO, only=["tagger/photos", "tagger/metadata"]).success
    return batch


def states(platform, batch):
    return {row["entry_id"].split("/", 1)[1]: row["state"] for row in platform.rows("tagger/metadata", batch)}


def report(platform, batch):
    text = (platform.store.home.reports / "tagger" / batch / "report.html").read_text(encoding="utf-8")
    return " ".join(text.split())


def test_an_undo_of_tags_that_were_only_proposed_says_that_nothing_was_in_the_files(shoot):
    platform, folder, _ = shoot
    tag(platform, folder)

    batch = undo(platform, folder)

    assert set(states(platform, batch).values()) == {"untouched"}
    assert "none written yet" in report(platform, batch)


def test_a_broken_photo_keeps_its_reason_through_an_undo(shoot):
    platform, folder, _ = shoot
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nonsense")
    tag(platform, folder)

    batch = undo(platform, folder)

    rows = {row["entry_id"].split("/", 1)[1]: row for row in platform.rows("tagger/metadata", batch)}
    photos = {row["file_name"]: row for row in platform.rows("tagger/photos", batch)}
    assert photos["broken.jpg"]["error_class"]
    assert rows["broken.jpg"]["error_class"] == photos["broken.jpg"]["error_class"]
    assert rows["broken.jpg"]["state"] == "untouched"


def test_the_report_says_written_of_what_stands_and_no_more_after_an_undo(shoot):
    platform, folder, _ = shoot
    batch = tag(platform, folder, APPLY)
    assert "2 written into their files" in report(platform, batch)
    tag(platform, folder)
    assert "2 written into their files" in report(platform, batch)

    undo(platform, folder)

    assert "none written yet" in report(platform, batch)


def test_words_that_the_photographer_had_already_written_are_not_said_to_be_ours(shoot, tmp_path):
    platform, folder, _ = shoot
    tag(platform, folder, APPLY)
    written = tmp_path / "elsewhere" / "Harbor"
    shutil.copytree(folder, written)
    undo(platform, folder)

    # The copies hold all the words, and no recorded write stands in them that this home would know of.
    batch = tag(platform, written)

    assert set(states(platform, batch).values()) == {"unchanged"}
    assert "none written yet" in report(platform, batch)


@pytest.mark.parametrize("move", ["the folder", "the photos into a folder that has a batch already"])
def test_what_was_written_is_taken_back_wherever_the_folder_was_moved(shoot, move):
    platform, folder, before = shoot
    tag(platform, folder, APPLY)
    moved = folder.with_name("Moved")
    if move == "the folder":
        folder.rename(moved)
    else:
        shutil.copytree(folder, moved)
        tag(platform, moved)
        shutil.rmtree(folder)

    batch = undo(platform, moved)

    assert digests(moved) == before
    assert set(states(platform, batch).values()) == {"undone"}


def test_a_photo_that_was_renamed_is_taken_back_too(shoot):
    platform, folder, before = shoot
    tag(platform, folder, APPLY)
    (folder / "IMG_0000.jpg").rename(folder / "Harbor.jpg")

    batch = undo(platform, folder)

    assert digests(folder) == {"Harbor.jpg": before["IMG_0000.jpg"], "IMG_0001.jpg": before["IMG_0001.jpg"]}
    assert set(states(platform, batch).values()) == {"undone"}


def test_an_undo_in_a_copy_leaves_the_undo_of_the_original(shoot):
    platform, folder, before = shoot
    tag(platform, folder, APPLY)
    copied = folder.with_name("Backup")
    shutil.copytree(folder, copied)

    undo(platform, copied)
    assert digests(copied) == before
    assert digests(folder) != before
    undo(platform, folder)

    assert digests(folder) == before


def test_a_copy_is_taken_back_after_its_original(shoot):
    platform, folder, before = shoot
    tag(platform, folder, APPLY)
    copied = folder.with_name("Backup")
    shutil.copytree(folder, copied)
    undo(platform, folder)

    undo(platform, copied)

    assert digests(copied) == before


def test_two_writes_into_one_file_are_both_taken_back(shoot):
    platform, folder, before = shoot
    tag(platform, folder, APPLY)
    parts = platform.assembly()

    def with_another_caption(variables):
        answer = dict(parts.embedded["baseline-tagger"](variables))
        return answer | {"caption": "Boats at rest."} if "caption" in answer else answer

    platform.overrides["embedded"] = {**parts.embedded, "baseline-tagger": with_another_caption}
    platform.overrides["embedded_revisions"] = {**parts.embedded_revisions, "baseline-tagger": "another"}
    batch = tag(platform, folder, APPLY)
    assert set(states(platform, batch).values()) == {"written"}

    undo(platform, folder)

    assert digests(folder) == before


def test_a_moved_photo_that_somebody_edited_since_is_refused_and_its_undo_is_kept(shoot):
    platform, folder, _ = shoot
    tag(platform, folder, APPLY)
    moved = folder.with_name("Moved")
    folder.rename(moved)
    with MetadataWriter() as writer:
        writer.write(moved / "IMG_0000.jpg", MetadataFields(headline="Edited by hand"))

    batch = undo(platform, moved)

    rows = {row["entry_id"].split("/", 1)[1]: row for row in platform.rows("tagger/metadata", batch)}
    assert rows["IMG_0000.jpg"]["error_class"] == "undo_refused"
    assert rows["IMG_0001.jpg"]["state"] == "undone"
    assert "1 written into its file; 1 with a problem" in report(platform, batch)


def test_an_undone_photo_can_be_written_and_taken_back_again(shoot):
    platform, folder, before = shoot
    for _ in range(2):
        batch = tag(platform, folder, APPLY)
        assert set(states(platform, batch).values()) == {"written"}
        undo(platform, folder)
        assert digests(folder) == before


def test_an_undo_of_tags_that_were_never_written_says_that_there_is_nothing_to_take_back(tmp_path):
    write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)
    assert imageworks(tmp_path / "home", "tag", tmp_path / "Harbor").code == 0

    said = imageworks(tmp_path / "home", "tag", tmp_path / "Harbor", "--undo")

    assert said.code == 0, said.err
    assert "Nothing was taken back: 1 photo looked at" in said.out
