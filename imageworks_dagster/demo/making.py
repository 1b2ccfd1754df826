"""Making the demo's folders: a competition round to judge, a shoot to tag, and the round's rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imageworks_dagster.demo.round_entries import ENTRIES
from imageworks_dagster.demo.shoot_photos import PHOTOS
from store.publishing import publish_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUND, SHOOT, RULES = "demo-round", "demo-shoot", "competition.toml"

_THREADS = 4
"""Each picture at work takes some 100 MB; NumPy, OpenCV and Pillow leave the interpreter free for the others."""


@dataclass(frozen=True)
class DemoFolders:
    """Where the demo's photos are.

    Attributes:
        judge: the folder of the competition round.
        tag: the folder of the shoot.
        rules: the round's rules, `[competition.demo_round]`.
    """

    judge: Path
    tag: Path
    rules: Path


def make_demo(folder: Path) -> DemoFolders:
    """Make what is missing of the demo, some 30 photos of 12 MB, in a few seconds.

    A file that exists is left as it is, also one that has been tagged since; a killed run leaves no half
    file. The bytes are the same each time on one machine.

    Args:
        folder: made where it does not exist.

    Raises:
        PublishFailed: a file cannot be written; the message says why.
    """
    made = DemoFolders(folder / ROUND, folder / SHOOT, folder / RULES)
    missing = [(path, content) for path, content in _files(made) if not path.exists()]
    with ThreadPoolExecutor(_THREADS) as threads:
        # list() so that the first failure is raised here.
        list(threads.map(lambda each: publish_file(each[0], each[1]()), missing))
    return made


def _files(made: DemoFolders) -> Iterator[tuple[Path, Callable[[], bytes]]]:
    yield made.rules, (Path(__file__).with_name(RULES)).read_bytes
    for name, content in ENTRIES.items():
        yield made.judge / name, content
    for name, content in PHOTOS.items():
        yield made.tag / name, content
