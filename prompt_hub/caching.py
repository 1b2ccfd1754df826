"""Effective profiles kept beside the user's, so that a thousand files are checked once and not at every start.

The cache is a file in the home folder that may be deleted at any time. It is used only if it is whole, was made by this
very code, and from files whose contents are, by SHA-256, those that are there now.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import FileProblem
from prompt_hub.layers import layer_files
from prompt_hub.schema import PromptProfile
from store.errors import PublishFailed
from store.publishing import publish_file

if TYPE_CHECKING:
    from prompt_hub.hub import PromptHub

_LOG: Final = logging.getLogger(__name__)
_DIGEST: Final = 64


class CachedProfiles(Mapping[str, PromptProfile]):
    """Profiles by id, each made when it is first asked for."""

    def __init__(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        self._contents = contents
        self._made: dict[str, PromptProfile] = {}

    def __getitem__(self, profile_id: str) -> PromptProfile:
        if profile_id not in self._made:
            self._made[profile_id] = PromptProfile.model_validate(self._contents[profile_id])
        return self._made[profile_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents)

    def __len__(self) -> int:
        return len(self._contents)


@dataclass(frozen=True)
class Cached:
    """What was kept of a hub; see `PromptHub` for what each is."""

    profiles: CachedProfiles
    hashes: dict[str, str]
    provenance: dict[str, dict[str, str]]
    doubts: dict[str, tuple[FileProblem, ...]]


def sources(user_folder: Path | None) -> dict[str, str]:
    """SHA-256 of each file that profiles are made from, and of the code that makes them, by path.

    Raises:
        ProfileFileError: A folder cannot be listed.
        OSError: A file cannot be read.
    """
    files = [path for _, paths in layer_files(user_folder) for path in paths]
    return {"": _code(), **{str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}}


def read_cache(file: Path, made_from: Mapping[str, str]) -> Cached | None:
    """What was kept of a hub that was made from the same; None where the cache does not hold.

    Args:
        file: The cache.
        made_from: What `sources` says now.
    """
    try:
        kept = file.read_bytes()
        digest, body = kept[:_DIGEST], kept[_DIGEST:]
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        said = json.loads(body)
    except (OSError, ValueError):
        return None
    if said["sources"] != made_from:
        return None
    names = list(made_from)
    provenance = {
        profile_id: {field: names[number] for field, number in fields.items()}
        for profile_id, fields in said["provenance"].items()
    }
    doubts = {
        profile_id: tuple(FileProblem(*doubt) for doubt in some)
        for profile_id, some in said["doubts"].items()
    }
    return Cached(CachedProfiles(said["profiles"]), said["hashes"], provenance, doubts)


def write_cache(file: Path, made_from: Mapping[str, str], hub: PromptHub) -> None:
    """Keep a hub for the next start; where it cannot be kept, that is logged, and the next start takes longer.

    Nothing is kept where there is no home folder yet: reading makes none.
    """
    if not file.parent.parent.is_dir():
        return
    numbers = {name: number for number, name in enumerate(made_from)}
    said = {
        "sources": dict(made_from),
        "profiles": {name: profile.model_dump(mode="json") for name, profile in hub.profiles.items()},
        "hashes": dict(hub.hashes),
        "provenance": {
            name: {field: numbers[source] for field, source in fields.items()}
            for name, fields in hub.provenance.items()
        },
        "doubts": {
            name: [[one.file, one.line, one.field, one.problem] for one in some]
            for name, some in hub.doubts.items()
        },
    }
    body = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()
    try:
        publish_file(file, hashlib.sha256(body).hexdigest().encode() + body)
    except PublishFailed as error:
        _LOG.warning("Prompt profiles could not be cached in %s: %s", file, error)


@cache
def _code() -> str:
    whole = hashlib.sha256()
    for package in (Path(__file__).parent, Path(__file__).parents[1] / "registry"):
        for file in sorted((*package.glob("*.py"), *package.glob("*.yaml"))):
            whole.update(file.read_bytes())
    return whole.hexdigest()
