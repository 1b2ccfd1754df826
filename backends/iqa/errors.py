"""What can go wrong with image-quality models.

BackendError
└── IqaError
    ├── UnknownMetric       no metric has this name
    ├── WeightsMissing      a metric's weights are not where they are looked for
    ├── WeightsChanged      they are not those that were pinned, or recorded when they came
    ├── WeightsMisfit       they are whole, and of another network
    ├── TensorFlowMissing   it is not installed
    ├── DownloadFailed      they could not be fetched
    ├── PictureRefused      the picture's own class: it cannot be decoded, or not within the limits
    └── BadAsking           what came over HTTP asks for nothing that can be done; has a status
        └── TooBusy             503: as much is under way as there is room for
"""

from __future__ import annotations

from backends.errors import BackendError


class IqaError(BackendError):
    """Anything that goes wrong with image-quality models."""


class UnknownMetric(IqaError):
    """No metric has this name."""


class WeightsMissing(IqaError):
    """A metric's weights are not where they are looked for, or cannot be read."""


class WeightsChanged(IqaError):
    """The weights are not those that were pinned, or recorded when they came."""


class WeightsMisfit(IqaError):
    """The weights are those of another network, or none."""


class TensorFlowMissing(IqaError):
    """TensorFlow is not installed, or cannot be loaded."""


class DownloadFailed(IqaError):
    """Weights could not be fetched whole."""


class PictureRefused(IqaError):
    """A picture cannot be decoded, or not within the limits.

    Attributes:
        error_class: The word for it, as `photos.errors` has it.
    """

    def __init__(self, message: str, *, error_class: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class BadAsking(IqaError):
    """What came over HTTP asks for nothing that can be done.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class TooBusy(BadAsking):
    """As much is under way as there is room for."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503)
