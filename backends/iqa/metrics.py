"""The metrics: which network gives each, on what scale, from which weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from backends.iqa.errors import UnknownMetric

if TYPE_CHECKING:
    from collections.abc import Iterable

Network = Literal["nima", "musiq"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure of image quality.

    Attributes:
        name: As requests, answers and the registry call it.
        network: The network that gives it; NIMA's scores have a spread, MUSIQ's have none.
        low: The bottom of its scale.
        high: The top of its scale, which is the best.
        weights: Where its weights lie below the weights' folder: NIMA's a file, MUSIQ's a SavedModel's folder.
        url: Where its authors publish them: NIMA's the file, MUSIQ's a gzipped tar of the folder.
        sha256: Of what `url` gives, where it is known; None has the first fetch recorded instead.
    """

    name: str
    network: Network
    low: float
    high: float
    weights: str
    url: str
    sha256: str | None = None


def _nima(kind: str, file: str) -> Metric:
    url = f"https://github.com/idealo/image-quality-assessment/raw/master/models/MobileNet/{file}"
    return Metric(f"nima_{kind}", "nima", 1, 10, f"nima/{file}", url)


def _musiq(kind: str, published: str, low: float, high: float) -> Metric:
    url = f"https://tfhub.dev/google/musiq/{published}/1?tf-hub-format=compressed"
    return Metric(f"musiq_{kind}", "musiq", low, high, f"musiq/{published}", url)


METRICS: Final = {
    metric.name: metric
    for metric in (
        _nima("aesthetic", "weights_mobilenet_aesthetic_0.07.hdf5"),
        _nima("technical", "weights_mobilenet_technical_0.11.hdf5"),
        _musiq("spaq", "spaq", 0, 100),
        _musiq("koniq", "koniq-10k", 0, 100),
        _musiq("paq2piq", "paq2piq", 0, 100),
        _musiq("ava", "ava", 1, 10),
    )
}
"""By name."""


def metrics_named(names: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics of these names, each once and in the order of `METRICS`; a network's name means all of its.

    Raises:
        UnknownMetric: None is given, or one is neither; the message says which there are.
    """
    wanted = set(names)
    networks = {metric.network for metric in METRICS.values()}
    if not wanted:
        raise UnknownMetric(f"No metric is named. Choose from {', '.join(METRICS)}.")
    if unknown := wanted - METRICS.keys() - networks:
        raise UnknownMetric(
            f"There is no metric {', '.join(sorted(unknown))}. Choose from {', '.join(METRICS)}, or "
            f"{' and '.join(sorted(networks))} for all of a network."
        )
    return tuple(metric for metric in METRICS.values() if wanted & {metric.name, metric.network})
