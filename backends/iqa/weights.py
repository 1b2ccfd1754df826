"""The weights' folder: what lies where, and whether it is still what came.

Beside a metric's weights stands their record, `<weights>.sha256`, in the form of `sha256sum`. It is written when they
are fetched or first used, and everything is held to it from then on.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Final

from backends.iqa.errors import WeightsChanged, WeightsMissing
from store.errors import PublishFailed
from store.path_text import path_text
from store.publishing import publish_file

if TYPE_CHECKING:
    from pathlib import Path

    from backends.iqa.metrics import Metric

log = logging.getLogger(__name__)

_BLOCK: Final = 1 << 20


def weights_path(metric: Metric, folder: Path) -> Path:
    """Where a metric's weights lie in a weights' folder."""
    return folder / metric.weights


def record_path(weights: Path) -> Path:
    """Where the record of these weights stands."""
    return weights.with_name(f"{weights.name}.sha256")


def make_record(weights: Path) -> bytes:
    """The SHA-256 of the file, or of each file of the folder, in the form of `sha256sum`.

    Raises:
        WeightsMissing: Nothing is there, or it cannot be read.
    """
    try:
        files = (
            [weights] if weights.is_file() else sorted(path for path in weights.rglob("*") if path.is_file())
        )
        lines = [f"{_sha256(path)}  {path.relative_to(weights.parent).as_posix()}\n" for path in files]
    except OSError as error:
        raise WeightsMissing(f"{path_text(weights)} cannot be read: {error.strerror or error}.") from error
    return "".join(lines).encode("utf-8", "surrogateescape")


def verified(metric: Metric, folder: Path) -> Path:
    """The path of a metric's weights, which are what their record says; the first time, the record is written.

    Args:
        metric: The metric.
        folder: The weights' folder.

    Raises:
        WeightsMissing: They are not there; the message says how to get them.
        WeightsChanged: They are not what was recorded.
    """
    weights = weights_path(metric, folder)
    found = make_record(weights)
    if not found:
        raise WeightsMissing(
            f"{metric.name} has no weights at {path_text(weights)}. Fetch them with `imageworks models fetch "
            f"{metric.name} --to {path_text(folder)}`, or put what {metric.url} gives there by hand"
            f"{', unpacked' if metric.network == 'musiq' else ''}."
        )
    record = record_path(weights)
    try:
        recorded = record.read_bytes() if record.exists() else None
    except OSError as error:
        raise WeightsMissing(f"{path_text(record)} cannot be read: {error.strerror or error}.") from error
    if recorded is None:
        _record(record, found)
    elif recorded != found:
        raise WeightsChanged(
            f"{path_text(weights)} is not what {path_text(record)} recorded: it was changed, or is damaged. If you "
            f"replaced it on purpose, remove the record; otherwise remove both and fetch {metric.name} again."
        )
    return weights


def _record(record: Path, found: bytes) -> None:
    try:
        publish_file(record, found)
    except PublishFailed as error:
        # A folder mounted read-only is a good place for weights; that nothing holds them to a record must be known.
        log.warning("Weights are used without a record of what they are: %s", error)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
