"""Fetch weights from where their authors publish them, or from a mirror, and hold them to their digest.

Where no digest is pinned, the first fetch is trusted and recorded beside the weights: whoever fetches or loads them
later is held to that record.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

import httpx

from backends.iqa.errors import DownloadFailed, WeightsChanged
from backends.iqa.weights import make_record, record_path, verified, weights_path
from store.path_text import path_text
from store.publishing import make_folder, publish_file, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backends.iqa.metrics import Metric

MOST_BYTES: Final = 1 << 30
"""Bytes of a download, and of what it unpacks to; the largest there is has some 200 MB."""

_MOST_FILES: Final = 1000
_MOST_REDIRECTS: Final = 5
_CONNECT_S: Final = 30.0
_SILENCE_S: Final = 120.0
_BLOCK: Final = 1 << 20
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Fetched:
    """What fetching a metric's weights came to.

    Attributes:
        metric: The metric.
        weights: Where they lie.
        sha256: Of what was downloaded; None if they were there already.
    """

    metric: Metric
    weights: Path
    sha256: str | None


def fetch(metric: Metric, folder: Path, *, mirror: str | None = None) -> Fetched:
    """Put a metric's weights into a weights' folder, whole or not at all.

    Args:
        metric: The metric.
        folder: The weights' folder; made if it is not there.
        mirror: Base URL of a place with the same layout, where MUSIQ's folders are `.tar.gz` files; None asks the
            authors.

    Raises:
        DownloadFailed: They could not be had, or not stored.
        WeightsChanged: They are not those that are pinned or recorded.
    """
    weights = weights_path(metric, folder)
    if weights.exists():
        return Fetched(metric, verified(metric, folder), None)
    url = metric.url if mirror is None else _mirrored(metric, mirror)
    try:
        make_folder(weights.parent)
        # Beside its place, so that the rename stays on one disk.
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=weights.parent) as temporary:
            return _fetch(metric, url, weights, Path(temporary))
    except OSError as error:
        raise DownloadFailed(
            f"{metric.name} cannot be stored at {path_text(weights)}: {error.strerror or error}. Free space, or "
            f"choose another folder with --to."
        ) from error


def _fetch(metric: Metric, url: str, weights: Path, temporary: Path) -> Fetched:
    download = temporary / "download"
    with download.open("wb") as file:
        sha256 = _download(url, file)
    if metric.sha256 is not None and sha256 != metric.sha256:
        raise WeightsChanged(
            f"{url} gave a file with SHA-256 {sha256}, and not the {metric.sha256} that {metric.name} is pinned to. "
            f"Nothing was kept. Fetch it from elsewhere with --mirror."
        )
    # Named as in the end: the record names files below the weights' folder.
    made = temporary / weights.name
    if metric.network == "musiq":
        _unpack(download, made, url)
    else:
        download.rename(made)
    record = make_record(made)
    there = record_path(weights)
    if there.exists() and there.read_bytes() != record:
        raise WeightsChanged(
            f"{url} gives other weights for {metric.name} than {path_text(there)} recorded. Nothing was kept. Remove "
            f"that record if you want the new ones."
        )
    _sync(made)
    publish_file(there, record)
    made.rename(weights)
    sync_folder(weights.parent)
    return Fetched(metric, weights, sha256)


def _download(url: str, file: IO[bytes]) -> str:
    """Write what a URL gives into a file; its SHA-256 in hex.

    Raises:
        DownloadFailed: It gives nothing, not all, or too much.
    """
    digest, size = hashlib.sha256(), 0
    with _response(url) as response:
        for piece in response.iter_bytes(_BLOCK):
            size += len(piece)
            if size > MOST_BYTES:
                raise DownloadFailed(f"{url} sent more than {MOST_BYTES >> 20} MiB, which no weights have.")
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if not size:
        raise DownloadFailed(f"{url} sent an empty file.")
    return digest.hexdigest()


@contextlib.contextmanager
def _response(url: str) -> Iterator[httpx.Response]:
    timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
    # What is stored is held to a digest, so it must be what was published, not what a proxy packed.
    headers = {"Accept-Encoding": "identity", "User-Agent": "imageworks"}
    try:
        with (
            httpx.Client(
                timeout=timeout, follow_redirects=True, max_redirects=_MOST_REDIRECTS, headers=headers
            ) as client,
            client.stream("GET", url) as response,
        ):
            # On any hop without encryption somebody else may have chosen where the next one leads.
            first, *others = [*response.history, response]
            for hop in others:
                if first.url.scheme == "https" and hop.url.scheme != "https":
                    raise DownloadFailed(
                        f"{url} leads to {hop.url.host} without encryption; nothing was read."
                    )
            if response.status_code != _OK:
                raise DownloadFailed(f"{url} answered {response.status_code}; put the weights there by hand.")
            yield response
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            f"{url} could not be downloaded whole: {str(error) or type(error).__name__}. Try again, name a mirror with "
            f"--mirror, or put the weights there by hand."
        ) from error


def _mirrored(metric: Metric, mirror: str) -> str:
    return f"{mirror.rstrip('/')}/{metric.weights}{'.tar.gz' if metric.network == 'musiq' else ''}"


def _unpack(archive: Path, folder: Path, url: str) -> None:
    """Unpack plain files and folders that lie within; anything else is refused, and then nothing is kept."""
    folder.mkdir()
    size = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for count, member in enumerate(tar):
                size += member.size
                if count >= _MOST_FILES or size > MOST_BYTES:
                    raise DownloadFailed(f"{url} unpacks to more than any weights have; nothing was kept.")
                _unpack_one(tar, member, folder, url)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DownloadFailed(f"{url} is no whole archive: {error}. Nothing was kept.") from error
    if not (folder / "saved_model.pb").is_file():
        raise DownloadFailed(f"{url} holds no SavedModel: saved_model.pb is not in it. Nothing was kept.")


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, url: str) -> None:
    name = PurePosixPath(member.name)
    within = not name.is_absolute() and ".." not in name.parts
    if not within or not (member.isreg() or member.isdir()):
        raise DownloadFailed(
            f"{url} holds {member.name!r}, which is no plain file within it. Nothing was kept; do not use it."
        )
    path = folder.joinpath(*name.parts)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    assert source is not None  # noqa: S101 - it is a regular file
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file, _BLOCK)


def _sync(made: Path) -> None:
    for path in (made, *made.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
