"""SIGKILL at any moment harms no photo: real processes, seeded moments."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from photos.identity import photo_id
from photos.metadata import writing
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.undo import Standing, standing, undo
from photos.metadata.writing import MetadataWriter

KILLS = 20

# One process imports everything once and forks a writer for each kill.
NURSERY = """
import os, sys
from pathlib import Path
from photos.metadata.fields import MetadataFields
from photos.metadata.writing import MetadataWriter

folder, journal = Path(sys.argv[1]), Path(sys.argv[2])

def note(written):
    line = f"{written.path.name} {written.undo.hex()}\\n".encode()
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line)
    os.close(descriptor)

def work(seed):
    with MetadataWriter() as writer:
        for round in range(seed, 10**9):
            for path in sorted(folder.glob("photo*")):
                words = tuple(f"word {round} {number}" for number in range(30))
                writer.write(path, MetadataFields(title=f"round {round}", keywords=words), before_replace=note)
                if round == seed and path.name == "photo0.jpg":
                    print(os.getpid(), writer._process.pid, flush=True)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work(int(line))
    os.waitpid(child, 0)
"""


@pytest.fixture
def folder(tmp_path, photo, each_kind):
    folder = tmp_path / "shoot"
    folder.mkdir()
    photo.rename(folder / "photo0.jpg")
    for number, path in enumerate(each_kind, start=1):
        path.rename(folder / f"photo{number}{path.suffix}")
    return folder


@pytest.fixture
def each_kind(make_photo):
    return [make_photo(name) for name in ("photo.tif", "photo.png", "photo.webp")]


@pytest.mark.slow
def test_a_kill_at_any_moment_harms_no_photo_and_leaves_one_hidden_copy_at_most(folder, tmp_path):
    journal = tmp_path / "journal"
    pictures = {path: photo_id(path) for path in folder.iterdir()}
    chance = random.Random(20)
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(folder), str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(writing.__file__).parents[2],
    ) as nursery:
        for kill in range(KILLS):
            nursery.stdin.write(f"{kill * 1000}\n".encode())
            nursery.stdin.flush()
            pid, tool = map(int, nursery.stdout.readline().split())
            handle = os.pidfd_open(tool)
            time.sleep(chance.uniform(0, 0.08))  # the moment of the kill, not a synchronization
            os.kill(pid, signal.SIGKILL)
            assert select.select([handle], [], [], 60)[0], "the metadata process outlived its parent"
            os.close(handle)
            check(pictures, folder, journal)
        nursery.stdin.close()
        assert nursery.wait(60) == 0
    with MetadataWriter() as writer:
        for path in pictures:
            writer.write(path, MetadataFields(title="after all"))
    assert {path for path in folder.iterdir() if path.name.startswith(".")} == set()


def check(pictures: dict[Path, str], folder: Path, journal: Path) -> None:
    visible = {path for path in folder.iterdir() if not path.name.startswith(".")}
    assert visible == set(pictures)
    assert len(list(folder.iterdir())) - len(visible) <= 1
    last: dict[str, str] = dict(line.split() for line in journal.read_text(encoding="utf-8").splitlines())
    for path, picture in pictures.items():
        assert photo_id(path) == picture
        said = read_metadata(path)
        if said.title is not None:
            number = said.title.removeprefix("round ")
            assert said.keywords == tuple(f"word {number} {each}" for each in range(30))
        if path.name in last:
            # Its undo was noted before the photo was replaced, so no write is without one.
            assert standing(path, bytes.fromhex(last[path.name])) is not Standing.OTHER


def test_a_kill_during_an_undo_harms_no_photo(photo, writer):
    before = photo.read_bytes()
    written = writer.write(photo, MetadataFields(title="T"))
    after = photo.read_bytes()
    chance = random.Random(3)
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", UNDOING, str(photo)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        child.stdin.write(written.undo.hex().encode() + b"\n" + after.hex().encode() + b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0, 0.03))  # the moment of the kill
        child.kill()
        child.communicate()
        assert photo.read_bytes() in {before, after}
    undo(photo, written.undo) if photo.read_bytes() == after else None
    assert photo.read_bytes() == before
    assert [path.name for path in photo.parent.iterdir() if path.name.startswith(".")] == []


UNDOING = f"""
import os, sys
sys.path.insert(0, {str(Path(writing.__file__).parents[2])!r})
from pathlib import Path
from photos.metadata.undo import undo
photo = Path(sys.argv[1])
record, after = (bytes.fromhex(sys.stdin.readline()) for _ in range(2))
print("ready", flush=True)
while True:
    undo(photo, record)
    fresh = photo.with_name("fresh")
    fresh.write_bytes(after)
    fresh.replace(photo)
"""
