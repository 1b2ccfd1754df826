"""Tar archives of files: written whole or not at all, and unpacked as if a stranger had made them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import tarfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pyarrow as pa

from store.errors import ArchiveRefused
from store.publishing import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK: Final = 1024 * 1024
_MOST_MEMBERS: Final = 10_000_000
_LONGEST_NAME: Final = 1024
_DEEPEST: Final = 24
_LONGEST_HEADER: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# What no name of ours has, and what means something to a file system somewhere.
_STEP: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


class Archive:
    """An archive that is being written."""

    def __init__(self, tar: tarfile.TarFile, moved: Callable[[int], None]) -> None:
        self._tar = tar
        self._moved = moved
        self.files: dict[str, tuple[int, str]] = {}

    def add(self, name: str, file: IO[bytes], size: int, *, mtime: float = 0) -> None:
        """Add the first `size` bytes of an open file.

        Raises:
            OSError: It cannot be read, or is shorter by now.
        """
        read = _Counted(file, self._moved)
        facts = tarfile.TarInfo(name)
        facts.size, facts.mode, facts.mtime = size, 0o600, int(mtime)
        self._tar.addfile(facts, cast("IO[bytes]", read))
        self.files[name] = (size, read.digest.hexdigest())


@contextmanager
def written_archive(path: Path, moved: Callable[[int], None] = lambda _bytes: None) -> Iterator[Archive]:
    """An archive that is at `path`, synced, once the block is over; if the block raises there is none.

    Args:
        path: Where; compressed where it ends in .gz, .tgz or .zst. Only its owner may read it.
        moved: Told how many more bytes went into it.

    Raises:
        OSError: It cannot be written.
    """
    made = path.with_name(f".{path.name}.part")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with (
                _compressed(file, path.name) as stream,
                tarfile.open(mode="w|", fileobj=stream, format=tarfile.PAX_FORMAT) as tar,
            ):
                yield Archive(tar, moved)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise


def unpack(
    path: Path,
    into: Path,
    *,
    allowed: Callable[[str], bool],
    room: Callable[[Path], int],
    moved: Callable[[int], None] = lambda _bytes: None,
) -> dict[str, tuple[int, str]]:
    """Write an archive's files below a folder, and nothing elsewhere.

    Args:
        path: The archive, compressed or not.
        into: An empty folder.
        allowed: Whether a file may have this name, relative and with ``/`` between its steps.
        room: Bytes that all files together may have, asked anew after each; given the file that was written last.
        moved: Told how many more bytes of the archive were read.

    Returns:
        Size and SHA-256, in hex, of each file by name. A plain archive that was cut between two files looks whole: hold
        this to a list of what there should be.

    Raises:
        ArchiveRefused: It is none, is cut off, or holds what no backup of ours does; what was unpacked stays in `into`.
        OSError: A file cannot be read or written.
    """
    files: dict[str, tuple[int, str]] = {}
    left = room(into)
    try:
        with (
            path.open("rb") as file,
            _plain(_Counted(file, moved), path) as stream,
            tarfile.open(mode="r|", fileobj=stream, tarinfo=_Bounded) as tar,
        ):
            for member in tar:
                name = _checked_name(member, files, allowed, path)
                left -= member.size
                if left < 0:
                    raise ArchiveRefused(
                        f"{path} holds more than there is room for, or than it says; nothing was kept."
                    )
                content = tar.extractfile(member)
                assert content is not None  # noqa: S101 - it is a regular file
                files[name] = _write(content, into / name)
                left = min(left, room(into / name))
    except (tarfile.TarError, EOFError, zlib.error, pa.ArrowException, ValueError) as error:
        raise ArchiveRefused(f"{path} is no archive, or is cut off: {error}.") from error
    except OSError as error:
        # What Arrow and gzip say of the stream itself has no number; what a disk says has.
        if error.errno is not None:
            raise
        raise ArchiveRefused(f"{path} is no archive, or is cut off: {error}.") from error
    return files


def is_member_name(name: str) -> bool:
    """Whether `unpack` takes a file of this name: relative, without a step up, and of letters no file system minds."""
    steps = name.split("/")
    return (
        len(name) <= _LONGEST_NAME
        and len(steps) <= _DEEPEST
        and all(_STEP.fullmatch(step) and step not in {".", ".."} for step in steps)
    )


def _checked_name(
    member: tarfile.TarInfo, files: dict[str, Any], allowed: Callable[[str], bool], path: Path
) -> str:
    name = member.name
    if not is_member_name(name):
        raise ArchiveRefused(
            f"{path} holds a file whose name leads out of its folder or is none: {name[:80]!r}."
        )
    if not member.isreg() or member.issparse():
        raise ArchiveRefused(
            f"{path} holds {name[:80]!r}, which is no plain file: a backup has no links or folders."
        )
    if name in files or not allowed(name):
        raise ArchiveRefused(f"{path} holds {name[:80]!r}, which is not of a backup, or is there twice.")
    if len(files) >= _MOST_MEMBERS:
        raise ArchiveRefused(f"{path} holds more than {_MOST_MEMBERS:,} files.")
    return name


def _write(content: IO[bytes], place: Path) -> tuple[int, str]:
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with place.open("xb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


class _Bounded(tarfile.TarInfo):
    """A header whose extensions, which are read whole, are short."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size > _LONGEST_HEADER and self.type not in tarfile.REGULAR_TYPES:
            raise ArchiveRefused(f"It holds a header of {self.size:,} bytes: this is no backup.")
        return super()._proc_member(tar)  # type: ignore[misc]


class _Counted:
    """A file that is read, with its digest, and somebody who is told how far."""

    def __init__(self, file: IO[bytes], moved: Callable[[int], None]) -> None:
        self._file = file
        self._moved = moved
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        self._moved(len(data))
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Leave the file to whoever opened it."""

    @property
    def closed(self) -> bool:
        return self._file.closed


@contextmanager
def _compressed(file: IO[bytes], name: str) -> Iterator[Any]:
    if name.endswith((".gz", ".tgz")):
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as stream:
            yield stream
    elif name.endswith(".zst"):
        with pa.CompressedOutputStream(pa.PythonFile(_Open(file), mode="w"), "zstd") as stream:
            yield stream
    else:
        yield file


@contextmanager
def _plain(file: _Counted, path: Path) -> Iterator[Any]:
    with path.open("rb") as first:
        magic = first.read(len(_ZSTD))
    if magic.startswith(_GZIP):
        with gzip.GzipFile(fileobj=cast("IO[bytes]", file), mode="rb") as stream:
            yield stream
    elif magic == _ZSTD:
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
            yield stream
    else:
        yield file


class _Open:
    """A file that Arrow writes into and does not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.flush()

    @property
    def closed(self) -> bool:
        return False
