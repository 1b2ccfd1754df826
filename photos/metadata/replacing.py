"""The file that is to be replaced: may it be, is it still the same, and what of it must the new one keep."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from photos.metadata.errors import NotARegularFile, ReadOnlyFile, ReadOnlyFolder
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


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
        """
        try:
            real = path.resolve(strict=True)
            state = real.stat()
            folder = real.parent.stat()
        except (OSError, RuntimeError) as problem:
            raise NotARegularFile(f"{path_text(path)}: it cannot be found: {problem}") from problem
        if not stat.S_ISREG(state.st_mode):
            raise NotARegularFile(f"{path_text(path)}: it is no ordinary file")
        if not state.st_mode & _WRITE_BITS or not os.access(real, os.W_OK):
            raise ReadOnlyFile(
                f"{path_text(path)}: read-only, so it was left alone; to have it tagged, allow writing (chmod u+w)",
            )
        if not folder.st_mode & _WRITE_BITS or not os.access(real.parent, os.W_OK | os.X_OK):
            raise ReadOnlyFolder(
                f"{path_text(path)}: its folder is read-only, so no safe copy can be made beside it; "
                f"allow writing in {path_text(real.parent)} to have it tagged",
            )
        return cls(real, state)

    def is_unchanged(self) -> bool:
        """Whether the file is still the same, by inode, size and times."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return all(
            getattr(now, each) == getattr(self.state, each)
            for each in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
        )


def keep_attributes(original: Original, new: Path) -> None:
    """Give the new file the old one's mode, times and extended attributes, and its owner where we may."""
    owner = new.stat()
    if (owner.st_uid, owner.st_gid) != (original.state.st_uid, original.state.st_gid):
        for user, group in ((original.state.st_uid, original.state.st_gid), (-1, original.state.st_gid)):
            try:
                os.chown(new, user, group)
            except PermissionError:
                # Only root gives files away; what matters, the mode, is kept either way.
                continue
            break
    shutil.copystat(original.path, new)
