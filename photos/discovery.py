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
        place: Where it is, as a string: a library may have hundreds of thousands, and few are opened.
        relative: Its path below the folder as text (`store.path_text`), with ``/`` between the parts.
        size: Bytes.
        mtime_ns: When it was modified, nanoseconds since 1970.
        kind: "raw" for a camera's raw file, by extension.
    """

    place: str
    relative: str
    size: int
    mtime_ns: int
    kind: Kind = "picture"

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the folder that could not be looked at.

    Attributes:
        path_text: Its path below the folder as text.
        error_class: "unreadable", "link_outside" for a link that leaves the folder, or "link_hidden" for one to what
            is not looked at.
        message: What happened and what to do.
    """

    path_text: str
    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a folder holds, in the order of `relative`.

    Attributes:
        found: The photos.
        problems: What could not be looked at.
        empty: Folders below in which there is nothing at all, as text: where a disk is not mounted, one looks so.
    """

    found: tuple[FoundFile, ...]
    problems: tuple[Problem, ...]
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Folder:
    """One to look into: where it is, and what stands before the names in it, as text."""

    place: str
    before: str = ""

    def below(self, entry: os.DirEntry[str]) -> _Folder:
        return _Folder(entry.path, f"{self.before}{path_text(entry.name)}/")


@dataclass(slots=True)
class _Search:
    real_root: str
    found: list[FoundFile] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    folders: list[_Folder] = field(default_factory=list)
    linked_folders: list[_Folder] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def problem(self, where: str, error_class: str, message: str) -> None:
        self.problems.append(Problem(where, error_class, message))


def discover(folder: Path, *, below: bool = True) -> Discovery:
    """Look through a folder and those below it.

    Args:
        folder: The batch's folder; it may itself be a link.
        below: Whether to look into the folders below it.

    Returns:
        The photos, and what could not be looked at.

    Raises:
        FolderUnreadable: It is missing, is no folder, or may not be read.
        NoPhotos: It holds no photo, nor does any folder below it that was looked into.
    """
    try:
        with os.scandir(folder):
            search = _Search(real_root=os.path.realpath(folder))
    except OSError as error:
        raise FolderUnreadable(
            folder, f"cannot be read as a folder: {error.strerror}; check its name and who may read it"
        ) from error
    _look_into(_Folder(str(folder)), search)
    # Links come last, so that a photo is found under its own name and not under a link's.
    while below and (search.folders or search.linked_folders):
        _look_into((search.folders or search.linked_folders).pop(), search)
    if not search.found:
        raise NoPhotos(folder, _no_photos(search))
    return Discovery(
        found=tuple(sorted(search.found, key=lambda one: one.relative)),
        problems=tuple(sorted(search.problems, key=lambda one: one.path_text)),
        empty=tuple(sorted(search.empty)),
    )


def _look_into(folder: _Folder, search: _Search) -> None:
    try:
        status = os.stat(folder.place)  # noqa: PTH116 - strings, since there may be very many
        identity = status.st_dev, status.st_ino
        if identity in search.seen:
            return
        search.seen.add(identity)
        with os.scandir(folder.place) as entries:
            listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        search.problem(
            folder.before.removesuffix("/") or ".",
            "unreadable",
            f"the folder cannot be read: {error.strerror}; its photos are missing from the batch",
        )
        return
    if not listed:
        search.empty.append(folder.before.removesuffix("/"))
    for entry in listed:
        _look_at(entry, folder, search)


def _look_at(entry: os.DirEntry[str], folder: _Folder, search: _Search) -> None:
    if entry.name.startswith("."):
        return
    try:
        if entry.is_symlink():
            _follow(entry, folder, search)
        elif entry.is_dir():
            if entry.name.lower() not in _OTHERS_FOLDERS:
                search.folders.append(folder.below(entry))
        else:
            _take(entry, folder, search)
    except OSError as error:
        if _extension(entry) in EXTENSIONS or _may_be_folder(entry):
            search.problem(
                f"{folder.before}{path_text(entry.name)}",
                "unreadable",
                f"cannot be looked at: {error.strerror}; check who may read it",
            )


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.is_symlink() and not entry.is_file(follow_symlinks=False)
    except OSError:
        return True


def _follow(link: os.DirEntry[str], folder: _Folder, search: _Search) -> None:
    """Follow a link that stays inside the folder to a folder; a file inside is found by itself."""
    target = os.path.realpath(link.path)
    is_folder = stat.S_ISDIR(link.stat().st_mode)
    if target != search.real_root and not target.startswith(search.real_root.rstrip("/") + "/"):
        if is_folder or _extension(link) in EXTENSIONS:
            search.problem(
                f"{folder.before}{path_text(link.name)}",
                "link_outside",
                "is a link that leaves the folder, and is not followed; copy the photos into it",
            )
    elif is_folder:
        search.linked_folders.append(folder.below(link))
    elif _extension(link) in EXTENSIONS and not _found_by_itself(Path(target).relative_to(search.real_root)):
        # Such as git-annex makes, whose photos lie in a hidden folder.
        search.problem(
            f"{folder.before}{path_text(link.name)}",
            "link_hidden",
            "links to what is hidden or has no photo's name, and is not followed; put the photo in its place",
        )


def _found_by_itself(target: Path) -> bool:
    """Whether a file, by its path within the folder, is one that is looked at."""
    *folders, name = target.parts
    return (
        not any(part.startswith(".") for part in target.parts)
        and not any(part.lower() in _OTHERS_FOLDERS for part in folders)
        and os.path.splitext(name)[1].lower() in {*EXTENSIONS, ""}  # noqa: PTH122 - as below
    )


def _take(entry: os.DirEntry[str], folder: _Folder, search: _Search) -> None:
    extension, status = _extension(entry), entry.stat()
    relative = f"{folder.before}{path_text(entry.name)}"
    if not stat.S_ISREG(status.st_mode):
        if extension in EXTENSIONS:
            search.problem(relative, "unreadable", "is no regular file (a pipe, socket or device); remove it")
        return
    if extension not in EXTENSIONS and not (extension == "" and _looks_like_a_picture(Path(entry.path))):
        return
    search.found.append(
        FoundFile(
            place=entry.path,
            relative=relative,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            kind="raw" if extension in RAW_EXTENSIONS else "picture",
        )
    )


def _extension(entry: os.DirEntry[str]) -> str:
    return os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - as above


def _looks_like_a_picture(path: Path) -> bool:
    """Files lose their extension in downloads; their first bytes still tell."""
    try:
        with open_photo(path) as file:
            return sniff(file.read(HEADER_BYTES)) is not Format.UNKNOWN
    except PictureError:
        return False


def _no_photos(search: _Search) -> str:
    if search.problems:
        return (
            f"holds no photo that can be reached; {len(search.problems)} of its files or folders could not be looked "
            f"at, first {search.problems[0].path_text}: {search.problems[0].message}"
        )
    return "holds no photo; put JPEG, PNG, TIFF, WebP, HEIC or raw files into it or below it"
