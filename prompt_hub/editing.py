"""Files of the user's layer, read and saved so that two editors lose nothing of each other's.

Who saves says what they had read, by its digest. Under a lock that all savers share, a file that is no longer so is not
touched, and neither is one with which the whole hub could not be loaded.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prompt_hub.errors import BadProfileId, FileMoved, FileProblem, ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.layers import layer_files
from prompt_hub.profile_files import parse_profile_text
from prompt_hub.schema import PROFILE_ID
from store.locking import locked
from store.publishing import make_folder, publish_file
from store.yaml_reading import MAX_BYTES, YamlError, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_hub.memory import Memory

LOCK: Final = ".editing.lock"


@dataclass(frozen=True)
class ReadFile:
    """A file of the user's layer as it was read.

    Attributes:
        path: Where it is, or would be.
        text: What it says; "" if there is none.
        digest: SHA-256 of its bytes; None if there is none.
    """

    path: Path
    text: str
    digest: str | None


@dataclass(frozen=True)
class SavedFile:
    """A file of the user's layer as it was saved.

    Attributes:
        path: Where it is.
        digest: SHA-256 of its bytes, for who goes on editing.
        hub: All profiles as they are with it.
    """

    path: Path
    digest: str
    hub: PromptHub


def read_file(folder: Path, profile_id: str) -> ReadFile:
    """Read what the user's layer says of a profile.

    Args:
        folder: The user's layer.
        profile_id: The profile.

    Raises:
        BadProfileId: It is no id.
        ProfileFileError: The file cannot be read, is too large or not UTF-8, or is another profile's.
    """
    path = _file_of(folder, profile_id)
    data = _bytes_of(path)
    if data is None:
        return ReadFile(path, "", None)
    try:
        return ReadFile(path, data.decode("utf-8-sig"), _digest(data))
    except UnicodeDecodeError as error:
        raise _broken(path, f"is not UTF-8: {error.reason}; save it as UTF-8") from error


def save_file(folder: Path, profile_id: str, text: str, *, expected: str | None) -> SavedFile:
    """Save what the user's layer says of a profile, whole or not at all.

    Args:
        folder: The user's layer; made if it is not there.
        profile_id: The profile, which the text has to be of.
        text: All of the file.
        expected: Digest of the file as its editor has read it; None where there was none.

    Raises:
        BadProfileId: It is no id.
        FileMoved: The file is no longer what it was; nothing was written.
        ProfileFileError, ProfileCycle: With it the hub would be broken; nothing was written.
        store.errors.PublishFailed: It cannot be written; what was there is untouched.
        OSError: The folder cannot be made or locked.
    """
    _check_id(profile_id)
    make_folder(folder)
    with locked(folder / LOCK):
        path = _file_of(folder, profile_id)
        _check_digest(path, expected)
        hub = _hub_with(folder, path, profile_id, text)
        # Who writes without the lock may have done so while all was checked.
        _check_digest(path, expected)
        data = text.encode()
        publish_file(path, data)
    return SavedFile(path, _digest(data), hub)


def try_text(folder: Path, profile_id: str, text: str, *, memory: Memory | None = None) -> PromptHub:
    """All profiles as they would be if the user's layer said this of one; nothing is written.

    Args:
        folder: The user's layer.
        profile_id: The profile, which the text has to be of.
        text: All of the file.
        memory: What an earlier try left, for a faster one.

    Raises:
        BadProfileId: It is no id.
        ProfileFileError, ProfileCycle: With it the hub would be broken.
    """
    return _hub_with(folder, _file_of(folder, profile_id), profile_id, text, memory)


def _hub_with(
    folder: Path, path: Path, profile_id: str, text: str, memory: Memory | None = None
) -> PromptHub:
    document = parse_profile_text(text, str(path))
    if isinstance(document, tuple):
        raise ProfileFileError(document)
    assert isinstance(document.value, dict)  # noqa: S101 - parsing has checked it
    if document.value["id"] != profile_id:
        problem = f"must be {profile_id}, the profile that is edited"
        raise ProfileFileError((FileProblem(str(path), document.line_of(("id",)), "id", problem),))
    return PromptHub.load(folder, instead={path: text}, memory=memory)


def _check_id(profile_id: str) -> None:
    if re.fullmatch(PROFILE_ID, profile_id) is None:
        raise BadProfileId(
            f"{profile_id!r} is no id of a profile: ids are lower-case letters, digits, _ and -, up to 60 of them."
        )


def _file_of(folder: Path, profile_id: str) -> Path:
    """The file that speaks of a profile, whatever its name; where none does, the one that its id names."""
    _check_id(profile_id)
    *_, (_, files) = layer_files(folder)
    ids = {path: _id_in(path) for path in files}
    for path, found in ids.items():
        if found == profile_id:
            return path
    path = folder / f"{profile_id}.yaml"
    if ids.get(path) is not None:
        raise _broken(path, f"is a file of profile {ids[path]!r}; give it another name")
    return path


def _id_in(path: Path) -> str | None:
    """Whose file it is; None where it is too broken to tell."""
    try:
        value = read_yaml(path)
    except YamlError:
        return None
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _check_digest(path: Path, expected: str | None) -> None:
    data = _bytes_of(path)
    now = None if data is None else _digest(data)
    if now != expected:
        what = "is gone" if now is None else "was made" if expected is None else "was changed"
        raise FileMoved(f"{path} {what} since it was read. Read it again, and bring both together.")


def _bytes_of(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise _broken(
            path, f"is larger than {MAX_BYTES // 1024} KiB, the limit of a YAML file here; split it"
        )
    return data


def _broken(path: Path, problem: str) -> ProfileFileError:
    return ProfileFileError((FileProblem(str(path), None, "", problem),))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
