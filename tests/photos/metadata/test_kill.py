"""SIGKILL at any moment harms no photo: real processes, seeded moments."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from soak import amount

from photos.identity import photo_id
from photos.metadata import writing
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.undo import Standing, standing, undo
from photos.metadata.writing import MetadataWriter

KILLS = amount(100, 24)
"""Of writers into photos; of those who write sidecars, where exiftool has to start anew each time, a quarter."""

AT_ONCE = 2
"""Writers, each in a folder of its own."""

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

first = Path(sys.argv[3])

def work(seed):
    with MetadataWriter() as writer:
        for round in range(seed, 10**9):
            for path in sorted(path for path in folder.glob("photo*") if path.suffix != ".xmp"):
                words = tuple(f"word {round} {number}" for number in range(30))
                writer.write(path, MetadataFields(title=f"round {round}", keywords=words), before_replace=note)
                if round == seed and path == first:
                    pids = [writer._process.pid, writer._exiftool.pid]
                    print(os.getpid(), *filter(None, pids), flush=True)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work(int(line))
    os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_harms_no_photo_and_leaves_one_hidden_copy_at_most(tmp_path, photo, make_photo):
    for folder in folders(tmp_path):
        shutil.copy(photo, folder / "photo0.jpg")
        for name in ("photo.tif", "photo.png", "photo.webp", "photo.dng"):
            make_photo(name).rename(folder / name)
    kill_writers(tmp_path, "photo0.jpg", KILLS)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_a_kill_at_any_moment_harms_no_sidecar(tmp_path, make_photo, packet_text):
    for folder in folders(tmp_path):
        for name in ("photo1.nef", "photo2.cr2"):
            make_photo("photo.tif").rename(folder / name)
        (folder / "photo2.xmp").write_text(packet_text, encoding="utf-8")
    kill_writers(tmp_path, "photo1.nef", KILLS // 4)
    for folder in folders(tmp_path):
        assert read_metadata(folder / "photo2.cr2").descriptions["de-DE"] == "Boote."


def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"shoot {number}" for number in range(AT_ONCE)]
    for folder in made:
        folder.mkdir(exist_ok=True)
    return made


def kill_writers(tmp_path: Path, first: str, kills: int) -> None:
    """Kill writers that go round their folders again and again, and look at all files after each kill."""
    chance = random.Random(20)
    with ExitStack() as open_nurseries:
        nurseries = [open_nurseries.enter_context(Nursery(folder, first)) for folder in folders(tmp_path)]
        for kill in range(kills // AT_ONCE):
            for nursery in nurseries:
                nursery.start(kill * 1000)
            for nursery in nurseries:
                nursery.kill(after=chance.uniform(0, 0.08))
    with MetadataWriter() as writer:
        for nursery in nurseries:
            for path in nursery.pictures:
                writer.write(path, MetadataFields(title="after all"))
            assert [path for path in nursery.folder.iterdir() if path.name.startswith(".")] == []


class Nursery:
    """A process that forks writers for one folder."""

    def __init__(self, folder: Path, first: str) -> None:
        self.folder, self.journal = folder, folder.parent / f"{folder.name}.journal"
        self.pictures = {path: photo_id(path) for path in folder.iterdir() if path.suffix != ".xmp"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, str(folder), str(self.journal), str(folder / first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(writing.__file__).parents[2],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def start(self, seed: int) -> None:
        self._process.stdin.write(f"{seed}\n".encode())
        self._process.stdin.flush()

    def kill(self, *, after: float) -> None:
        pid, *tools = map(int, self._process.stdout.readline().split())
        handles = [os.pidfd_open(tool) for tool in tools]
        time.sleep(after)  # the moment of the kill, not a synchronization
        os.kill(pid, signal.SIGKILL)
        for handle in handles:
            assert select.select([handle], [], [], 60)[0], "a tool's process outlived its parent"
            os.close(handle)
        check(self.pictures, self.folder, self.journal)


def check(pictures: dict[Path, str], folder: Path, journal: Path) -> None:
    visible = {path for path in folder.iterdir() if not path.name.startswith(".")}
    assert {path for path in visible if path.suffix != ".xmp"} == set(pictures)
    assert len(list(folder.iterdir())) - len(visible) <= 1
    last: dict[str, str] = dict(line.split() for line in journal.read_text(encoding="utf-8").splitlines())
    for path, picture in pictures.items():
        assert photo_id(path) == picture
        said = read_metadata(path)
        if said.title is not None:
            number = said.title.removeprefix("round ")
            assert said.keywords == tuple(f"word {number} {each}" for each in range(30))
    for name, record in last.items():
        # Its undo was noted before the file was replaced, so no write is without one.
        assert standing(folder / name, bytes.fromhex(record)) is not Standing.OTHER


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
