"""The guide to writing metadata: each of its commands, on a shoot with a photo that is never written into."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
from at_terminal import imageworks
from made_up_photos import write_photo
from PIL import Image
from pillow_heif import from_pillow

from photos.metadata.errors import MetadataError
from photos.metadata.reading import EMBEDDED, read_metadata
from photos.metadata.sidecars import BESIDE

GUIDE = (Path(__file__).parents[2] / "docs" / "metadata.md").read_text(encoding="utf-8")


def commands():
    (block,) = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
    return [line.removeprefix("$ imageworks ").split() for line in block.splitlines()]


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_tags_are_shown_written_into_files_and_sidecars_and_taken_back(tmp_path):
    folder = tmp_path / "my-shoot"
    jpeg = write_photo(folder / "IMG_1.jpg", seed=1)
    with Image.open(write_photo(tmp_path / "other.jpg", seed=2)) as picture:
        from_pillow(picture).save(folder / "IMG_2.heic", quality=60)
    before = digests(folder)
    propose, apply, undo = (
        [str(folder) if word == "my-shoot" else word for word in command] for command in commands()
    )

    shown = imageworks(tmp_path / "home", *propose)
    assert shown.code == 0, shown.err
    assert re.search(r"^IMG_2\.heic → IMG_2\.xmp\n  \+ title: ", shown.out, re.MULTILINE)
    assert digests(folder) == before
    (diff,) = (tmp_path / "home").rglob("changes.txt")
    assert "IMG_1.jpg\n  + title: " in diff.read_text(encoding="utf-8")

    written = imageworks(tmp_path / "home", *apply)
    assert "Tags written into 2 files." in written.out, written.err
    after = digests(folder)
    assert after["IMG_2.heic"] == before["IMG_2.heic"]
    assert set(after) - set(before) == {"IMG_2.xmp"}
    assert read_metadata(folder / "IMG_2.heic").keywords
    assert read_metadata(jpeg).keywords

    # What we wrote into a sidecar is not taken for the photographer's own the next time.
    again = imageworks(tmp_path / "home", *apply)
    assert "2 files had them already." in again.out, again.err
    assert digests(folder) == after

    taken = imageworks(tmp_path / "home", *undo)
    assert "Taken back in 2 photos, byte for byte." in taken.out, taken.err
    assert digests(folder) == before


def test_the_guide_names_every_format_and_only_words_that_rows_have():
    def words(error):
        yield error.error_class
        for each in error.__subclasses__():
            yield from words(each)

    table = GUIDE.split("## Where the words go")[1].split("##")[0]
    spelled = {"jxl": "JPEG XL", "raw": "raw files"}
    for each in EMBEDDED | BESIDE:
        assert spelled.get(each.value, each.value).casefold() in table.casefold()
    refused = GUIDE.split("## What keeps a photo safe")[1].split("## Taking it back")[0]
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", refused))
    assert named <= set(words(MetadataError))
    assert len(named) >= 10
