"""Load the networks of some metrics."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from backends.iqa.errors import TensorFlowMissing
from backends.iqa.musiq import Musiq
from backends.iqa.nima import Nima
from backends.iqa.weights import verified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backends.iqa.metrics import Metric, Network
    from backends.iqa.scoring import Scorer

log = logging.getLogger(__name__)

_SCORERS: Final[Mapping[Network, type[Nima | Musiq]]] = {"nima": Nima, "musiq": Musiq}


def load_scorers(metrics: Sequence[Metric], folder: Path) -> tuple[Scorer, ...]:
    """The metrics' networks with their weights, which are verified before anything of them is run.

    Args:
        metrics: The metrics.
        folder: The weights' folder.

    Raises:
        TensorFlowMissing: It is not installed.
        WeightsMissing: Some weights are not there.
        WeightsChanged: Some are not what was recorded.
        WeightsMisfit: Some are of another network.
    """
    weights = [verified(metric, folder) for metric in metrics]
    _prepare_tensorflow()
    scorers = []
    for metric, path in zip(metrics, weights, strict=True):
        scorers.append(_SCORERS[metric.network](metric, path))
        log.info("%s is loaded from %s", metric.name, path)
    return tuple(scorers)


def _prepare_tensorflow() -> None:
    # Its own talk goes to standard error from C++; what matters raises.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf  # noqa: PLC0415 - seconds and a gigabyte, for this process alone
    except ImportError as error:
        raise TensorFlowMissing(
            f"TensorFlow cannot be loaded ({error}). Install it with `make tf`, or `pip install "
            f"'imageworks-dagster[tf]'`."
        ) from error
    # Left to itself it takes all of a card at once.
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, enable=True)
