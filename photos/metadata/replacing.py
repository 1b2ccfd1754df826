"""The file that is to be replaced: may it be, is it still the same, and what of it must the new one keep."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from photos.metadata.errors import FileChanged, FileLocked, NotARegularFile, ReadOnlyFile, ReadOnlyFolder
from photos.metadata.temporary import explaining, sync_folder
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_HELD = {errno.EWOULDBLOCK, errno.EACCES}


@dataclass(frozen=True)
class Original:
    """A file as it was when work on its new version began.

    Attributes:
        path: where it really is: links are followed, so that a link stays a link.
        state: what the system says of it.
    """

    path: Path
    state: os.stat_result

    @classmethod
    def at(cls, path: Path) -> Self:
        """Look at a file and make sure that it may be replaced.

        The mode bits count also for root, whom the system would let through.

        Raises:
            NotARegularFile: it is none, or is not there.
            ReadOnlyFile: nobody may write it, or we may not.
            ReadOnlyFolder: no file may be made beside it.
            FileLocked: another program holds a lock on it.
        """
        try:
            real = path.resolve(strict=True)
            state = real.stat()
        except (OSError, RuntimeError) as problem:
            raise NotARegularFile(f"{path_text(path)}: it cannot be found: {problem}") from problem
        if not stat.S_ISREG(state.st_mode):
            raise NotARegularFile(f"{path_text(path)}: it is no ordinary file")
        if not state.st_mode & _WRITE_BITS or not os.access(real, os.W_OK):
            raise ReadOnlyFile(
                f"{path_text(path)}: read-only, so it was left alone; to have it tagged, allow writing (chmod u+w)",
            )
        _refuse_read_only_folder(path, real.parent)
        _refuse_locked(path, real)
        return cls(real, state)

    def check_unchanged(self) -> None:
        """Make sure that the file is still the same, by inode, size and times.

        Raises:
            FileChanged: it is not.
        """
        try:
            now = self.path.stat()
            same = all(
                getattr(now, each) == getattr(self.state, each)
                for each in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
            )
        except OSError:
            same = False
        if not same:
            raise FileChanged(
                f"{path_text(self.path)}: another program wrote it meanwhile, so it was left alone; try again",
            )

    def hand_on(self, new: Path) -> None:
        """Give the new file the old one's mode, times and extended attributes, and its owner where we may."""
        _give_owner(self.state, new)
        shutil.copystat(self.path, new)


@dataclass(frozen=True)
class Vacancy:
    """A place where a file is to be made beside another.

    Attributes:
        path: the place.
        beside: the file whose owner and mode the new one gets.
    """

    path: Path
    beside: Path

    @classmethod
    def at(cls, path: Path, *, beside: Path) -> Self:
        """Look at a place and make sure that a file may be made there.

        Raises:
            ReadOnlyFolder: none may.
        """
        _refuse_read_only_folder(path, path.parent)
        return cls(path, beside)

    def check_unchanged(self) -> None:
        """Make sure that nothing is there yet.

        Raises:
            FileChanged: something is.
        """
        if os.path.lexists(self.path):
            raise FileChanged(
                f"{path_text(self.path)}: another program made it meanwhile, so it was left alone; try again",
            )

    def hand_on(self, new: Path) -> None:
        """Give the new file the neighbor's owner where we may, and its mode, but writable and never executable."""
        state = self.beside.stat()
        _give_owner(state, new)
        new.chmod(stat.S_IMODE(state.st_mode) & 0o666 | stat.S_IWUSR)


def put_in_place(copy: Path, place: Original | Vacancy) -> None:
    """Let a finished copy take its place, for good.

    Raises:
        FileChanged: another program was there meanwhile.
        ReadOnlyFolder: the system does not let us.
        WriteFailed: it refuses for another reason.
    """
    place.check_unchanged()
    with explaining(copy):
        copy.replace(place.path)
        sync_folder(place.path.parent)


def _refuse_read_only_folder(path: Path, folder: Path) -> None:
    if not folder.stat().st_mode & _WRITE_BITS or not os.access(folder, os.W_OK | os.X_OK):
        raise ReadOnlyFolder(
            f"{path_text(path)}: its folder is read-only, so no safe copy can be made beside it; "
            f"allow writing in {path_text(folder)} to have it tagged",
        )


def _refuse_locked(path: Path, real: Path) -> None:
    """Tell of a lock that keeps others from reading; a file system without locks has none."""
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # What may not be read, whoever copies it tells.
        return
    try:
        for lock in (fcntl.flock, fcntl.lockf):
            lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in _HELD:
            raise FileLocked(
                f"{path_text(path)}: another program has locked it, so it was left alone; close it there, run it again",
            ) from problem
    finally:
        os.close(descriptor)


def _give_owner(state: os.stat_result, new: Path) -> None:
    owner = new.stat()
    if (owner.st_uid, owner.st_gid) != (state.st_uid, state.st_gid):
        for user, group in ((state.st_uid, state.st_gid), (-1, state.st_gid)):
            try:
                os.chown(new, user, group)
            except PermissionError:
                # Only root gives files away; what matters, the mode, is kept either way.
                continue
            break
