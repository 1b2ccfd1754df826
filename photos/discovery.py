"""Which photos a folder holds.

Not taken for photos: hidden files, sidecars and anything else without a picture's extension, and the folders
that operating systems and photo servers fill by themselves. Links are followed inside the folder only; what
lies outside is not part of the batch, and nobody who can write a link into it should choose what this program
reads.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from photos.errors import FolderUnreadable, NoPhotos, PictureError
from photos.formats import EXTENSIONS, HEADER_BYTES, RAW_EXTENSIONS, Format, sniff
from photos.opening import open_photo
from store.path_text import path_text

Kind = Literal["picture", "raw"]

_OTHERS_FOLDERS = frozenset(
    {"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found", "system volume information"}
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that is taken for a photo; nothing of it was decoded.

    Attributes:
        path: Where it is.
        relative: Its path below the folder as text (`store.path_text`), with ``/`` between the parts.
        size: Bytes.
        mtime_ns: When it was modified, nanoseconds since 1970.
        kind: "raw" for a camera's raw file, by extension.
    """

    path: Path
    relative: str
    size: int
    mtime_ns: int
    kind: Kind = "picture"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the folder that could not be looked at.

    Attributes:
        path_text: Its path below the folder as text.
        error_class: "unreadable", or "link_outside" for a link that leaves the folder.
        message: What happened and what to do.
    """

    path_text: str
    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a folder holds, in the order of `relative`."""

    found: tuple[FoundFile, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Search:
    root: Path
    real_root: str
    found: list[FoundFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    linked_folders: list[Path] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def problem(self, path: Path, error_class: str, message: str) -> None:
        self.problems.append(Problem(_relative(path, self.root), error_class, message))


def discover(folder: Path) -> Discovery:
    """Look through a folder and those below it.

    Args:
        folder: The batch's folder; it may itself be a link.

    Returns:
        The photos, and what could not be looked at.

    Raises:
        FolderUnreadable: It is missing, is no folder, or may not be read.
        NoPhotos: Neither it nor any folder below it holds a photo.
    """
    try:
        with os.scandir(folder):
            search = _Search(root=folder, real_root=os.path.realpath(folder))
    except OSError as error:
        raise FolderUnreadable(
            folder, f"cannot be read as a folder: {error.strerror}; check its name and who may read it"
        ) from error
    search.folders.append(folder)
    # Links come last, so that a photo is found under its own name and not under a link's.
    while search.folders or search.linked_folders:
        _look_into((search.folders or search.linked_folders).pop(), search)
    if not search.found:
        raise NoPhotos(folder, _no_photos(search))
    return Discovery(
        found=tuple(sorted(search.found, key=lambda one: one.relative)),
        problems=tuple(sorted(search.problems, key=lambda one: one.path_text)),
    )


def _look_into(folder: Path, search: _Search) -> None:
    try:
        status = folder.stat()
        identity = status.st_dev, status.st_ino
        if identity in search.seen:
            return
        search.seen.add(identity)
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        search.problem(
            folder,
            "unreadable",
            f"the folder cannot be read: {error.strerror}; its photos are missing from the batch",
        )
        return
    for entry in listed:
        _look_at(entry, search)


def _look_at(entry: os.DirEntry[str], search: _Search) -> None:
    if entry.name.startswith("."):
        return
    path = Path(entry.path)
    try:
        if entry.is_symlink():
            _follow(path, search)
        elif entry.is_dir():
            if entry.name.lower() not in _OTHERS_FOLDERS:
                search.folders.append(path)
        else:
            _take(path, entry.stat(), search)
    except OSError as error:
        if _named_like_a_photo(path):
            search.problem(
                path, "unreadable", f"cannot be looked at: {error.strerror}; check who may read it"
            )


def _follow(link: Path, search: _Search) -> None:
    """Follow a link that stays inside the folder to a folder; a file inside is found by itself."""
    target = os.path.realpath(link)
    status = link.stat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if target != search.real_root and not target.startswith(search.real_root.rstrip("/") + "/"):
        if is_folder or _named_like_a_photo(link):
            search.problem(
                link,
                "link_outside",
                "is a link that leaves the folder, and is not followed; copy the photos into it",
            )
    elif is_folder:
        search.linked_folders.append(link)


def _take(path: Path, status: os.stat_result, search: _Search) -> None:
    extension = path.suffix.lower()
    if not stat.S_ISREG(status.st_mode):
        if extension in EXTENSIONS:
            search.problem(path, "unreadable", "is no regular file (a pipe, socket or device); remove it")
        return
    if extension not in EXTENSIONS and not (extension == "" and _looks_like_a_picture(path)):
        return
    search.found.append(
        FoundFile(
            path=path,
            relative=_relative(path, search.root),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            kind="raw" if extension in RAW_EXTENSIONS else "picture",
        )
    )


def _looks_like_a_picture(path: Path) -> bool:
    """Files lose their extension in downloads; their first bytes still tell."""
    try:
        with open_photo(path) as file:
            return sniff(file.read(HEADER_BYTES)) is not Format.UNKNOWN
    except PictureError:
        return False


def _named_like_a_photo(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _relative(path: Path, root: Path) -> str:
    return path_text(path.relative_to(root))


def _no_photos(search: _Search) -> str:
    if search.problems:
        return (
            f"holds no photo that can be reached; {len(search.problems)} of its files or folders could not be looked "
            f"at, first {search.problems[0].path_text}: {search.problems[0].message}"
        )
    return "holds no photo; put JPEG, PNG, TIFF, WebP, HEIC or raw files into it or below it"
