"""The files of the old registry: lists of entries, of which what was discovered replaces what was curated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from registry.errors import FileProblem, RegistryFileError
from store.json_reading import JsonError, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from store.import_report import ImportReport

_MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_ENTRIES: Final = 10_000
_DISCOVERED: Final = "discovered"


def read_entries(files: Iterable[Path], report: ImportReport) -> dict[str, Mapping[str, Any]]:
    """The entries by name, each as its last file has it.

    Args:
        files: JSON files; those with "discovered" in their name come after the others.
        report: Told which entries were replaced.

    Raises:
        RegistryFileError: A file cannot be read, is no list of entries, or has one without a name.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for file in sorted(files, key=lambda path: _DISCOVERED in path.name):
        listed = _listed(file)
        names: set[str] = set()
        for index, entry in enumerate(listed):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not name.strip():
                raise _broken(file, f"[{index}]", "is no entry of a model: it has no name")
            if name in names:
                raise _broken(file, f"[{index}].name", f"is {name!r}, which stands twice in this file")
            names.add(name)
            if name in entries:
                report.changed(name, "entry", f"the one of {file.name} replaces the one before it, as it did")
            entries[name] = entry
    return entries


def _listed(file: Path) -> list[Any]:
    try:
        listed = read_json(file, max_bytes=_MAX_BYTES)
    except JsonError as error:
        raise _broken(file, "", str(error).removeprefix(f"{file}: ")) from error
    if not isinstance(listed, list) or len(listed) > _MAX_ENTRIES:
        raise _broken(
            file, "", f"must hold a list of at most {_MAX_ENTRIES} models, as the old registry's files do"
        )
    return listed


def _broken(file: Path, field: str, problem: str) -> RegistryFileError:
    return RegistryFileError((FileProblem(str(file), None, field, problem),))
