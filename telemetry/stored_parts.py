"""The parts of current tables that are in a store of objects, as DuckDB reads files.

DuckDB's own client of such stores is an extension that would have to be fetched; this hands it the parts of the
current tables and nothing else of the store.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from fsspec import AbstractFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.object_paths import ObjectPath

PROTOCOL: Final = "artifacts"
_AT_ONCE: Final = 16
_KEPT_BYTES: Final = 128 * 1024 * 1024


class _Kept:
    """What was fetched last, for all catalogs of this process: parts never change under their name."""

    def __init__(self) -> None:
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def content(self, part: ObjectPath) -> bytes:
        with self._lock:
            if part.url in self._contents:
                self._contents.move_to_end(part.url)
                return self._contents[part.url]
        content = part.read_bytes()
        with self._lock:
            self._size += len(content) - len(self._contents.pop(part.url, b""))
            self._contents[part.url] = content
            while len(self._contents) > 1 and self._size > _KEPT_BYTES:
                self._size -= len(self._contents.popitem(last=False)[1])
        return content


_kept = _Kept()


# fsspec ships no types.
class StoredParts(AbstractFileSystem):  # type: ignore[misc]
    """A file system of the parts that it was given, each fetched whole."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, ObjectPath] = {}

    def add(self, parts: Iterable[ObjectPath], problems: list[tuple[str, str]]) -> list[str]:
        """Show these parts, and fetch them, several at once.

        Args:
            parts: Of tables that are current.
            problems: Takes each that is gone, with its place.

        Returns:
            The names, for DuckDB, of those that are there.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        named = {part.url.partition("://")[2]: part for part in parts}
        self._parts.update(named)
        # DuckDB asks for each part's columns at once, one part after the other.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            there = list(pool.map(self._is_there, named))
        problems.extend(
            (named[name].url, "this part of a table is gone")
            for name, is_there in zip(named, there, strict=True)
            if not is_there
        )
        return [f"{PROTOCOL}://{name}" for name, is_there in zip(named, there, strict=True) if is_there]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Name, size and kind of a part."""
        name = self._strip_protocol(path)
        return {"name": name, "size": len(self._content(name)), "type": "file"}

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is one of the parts."""
        return self._strip_protocol(path) in self._parts

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """The part itself: there are no folders."""
        return [self.info(path) if detail else self._strip_protocol(path)]

    def modified(self, path: str) -> datetime:
        """Parts never change: always the same."""
        del path
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if mode != "rb":
            raise PermissionError(f"{path}: tables are only read here")
        return io.BytesIO(self._content(self._strip_protocol(path)))

    def _is_there(self, name: str) -> bool:
        try:
            self._content(name)
        except FileNotFoundError:
            return False
        return True

    def _content(self, name: str) -> bytes:
        if name not in self._parts:
            raise FileNotFoundError(f"{name} is no part of a current table")
        return _kept.content(self._parts[name])
