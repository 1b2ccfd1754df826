"""Files of other tools: read in bounds, from one folder alone; nothing in them is run, and no URL is opened."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import ImportRefused
from store.json_reading import JsonError, parse_json
from store.yaml_reading import MAX_BYTES, parse_yaml

if TYPE_CHECKING:
    from prompt_hub.exchange.carried import Account
    from store.yaml_reading import FieldPath

MAX_FILES: Final = 100

FILE: Final = "file://"


class SourceFolder:
    """A file and those beside it and below."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._left = MAX_FILES

    def text(self) -> str:
        """The file's own text.

        Raises:
            ImportRefused: It cannot be read, is no regular file, is larger than 1 MiB, or is not UTF-8.
        """
        return self._read(self.file)

    def beside(self, name: str, account: Account, place: FieldPath | str) -> tuple[Path, str]:
        """A file that this one names, and its text.

        Raises:
            ImportRefused: It lies elsewhere, is a URL, or cannot be read.
        """
        name = name.removeprefix(FILE)
        if "://" in name:
            raise account.refused(place, f"names {name!r}; nothing is fetched: put the file beside this one")
        if any(mark in name for mark in "*?[]\0"):
            raise account.refused(place, f"names several files ({name!r}); name them one by one")
        path = self.file.parent / name
        try:
            inside = path.resolve(strict=True).is_relative_to(self.file.parent.resolve())
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise account.refused(place, f"names {name!r}, which cannot be found: {reason}") from error
        if not inside or Path(name).is_absolute():
            raise account.refused(
                place, f"names {name!r}, which lies outside of the folder of {self.file.name}"
            )
        return path, self._read(path)

    def _read(self, path: Path) -> str:
        self._left -= 1
        if self._left < 0:
            raise ImportRefused(f"{self.file}: names more than {MAX_FILES} files; that is the limit")
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ImportRefused(f"{path}: is not a regular file")
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ImportRefused(f"{path}: cannot be read: {error.strerror or error}") from error
        if len(data) > MAX_BYTES:
            raise ImportRefused(f"{path}: is larger than {MAX_BYTES // 1024} KiB, the limit")
        try:
            return data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ImportRefused(f"{path}: is not UTF-8: {error.reason}; save it as UTF-8") from error


def value_of(path: Path, text: str) -> Any:
    """The value that a JSON or YAML file holds, as plain JSON.

    Raises:
        ImportRefused: It is no JSON that everybody reads alike.
        store.yaml_reading.YamlError: It is not strict YAML.
    """
    return json_of(text, str(path)) if path.suffix == ".json" else parse_yaml(text, str(path))


def json_of(text: str, source: str) -> Any:
    """The value of a JSON text.

    Raises:
        ImportRefused: It is none, names a field twice, or is nested too deeply.
    """
    try:
        return parse_json(text, source)
    except JsonError as error:
        raise ImportRefused(str(error)) from error
