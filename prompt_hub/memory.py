"""What was read, merged and checked before: of a thousand profiles, an edit of one costs one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prompt_hub.profile_files import read_profile_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prompt_hub.errors import FileProblem
    from prompt_hub.layers import LayeredProfile, Merged
    from prompt_hub.schema import PromptProfile
    from prompt_hub.written_schemas import ProfileDocument

# A file that was written just now may be written again without its time or size telling.
_SETTLED_NS: Final = 2_000_000_000

_Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class Checked:
    """An effective profile and what is wrong with its templates.

    Attributes:
        made_from: What it was made from.
        profile: The profile.
        provenance: The file of each of its fields.
        problems: What is wrong with its templates, where they were checked.
        doubts: What is only doubtful, where it was checked.
    """

    made_from: LayeredProfile
    profile: PromptProfile
    provenance: Mapping[str, str]
    problems: tuple[FileProblem, ...]
    doubts: tuple[FileProblem, ...]


@dataclass
class Memory:
    """What one load leaves for the next. For one load at a time."""

    merged: dict[str, Merged] = field(default_factory=dict)
    checked: dict[str, Checked] = field(default_factory=dict)
    _files: dict[Path, tuple[_Signature, ProfileDocument]] = field(default_factory=dict)

    def read(self, path: Path) -> ProfileDocument | tuple[FileProblem, ...]:
        """A file's document: the one from before where the file has not changed, by time, size and place."""
        try:
            status = path.stat()
        except OSError:
            return read_profile_file(path)
        signature = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
        known = self._files.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        found = read_profile_file(path)
        if isinstance(found, tuple):
            self._files.pop(path, None)
        elif time.time_ns() - max(signature[:2]) > _SETTLED_NS:
            self._files[path] = (signature, found)
        return found
