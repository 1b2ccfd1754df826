"""MUSIQ: one score from patches at the picture's own size, by a SavedModel of Google Research.

Source: J. Ke et al., MUSIQ: Multi-scale Image Quality Transformer, 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backends.iqa.errors import WeightsMisfit
from backends.iqa.pictures import musiq_jpeg
from backends.iqa.scoring import Score
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from backends.iqa.metrics import Metric
    from backends.iqa.pictures import Prepared

# TensorFlow is loaded when a network is, so that this module can be named without it.
# ruff: noqa: PLC0415

_SIGNATURE: Final = "serving_default"
_PROBE: Final = np.full((64, 64, 3), 128, np.uint8)


class Musiq:
    """One MUSIQ network with its weights."""

    at_once = 1

    def __init__(self, metric: Metric, weights: Path) -> None:
        """Load the SavedModel, and score one grey picture with it.

        Args:
            metric: Which of MUSIQ's metrics the weights are for.
            weights: The SavedModel's folder.

        Raises:
            WeightsMisfit: It is none, or does not take one encoded picture and give one number.
        """
        import tensorflow as tf

        self.metric = metric
        try:
            # Kept: what belongs to it goes with it.
            self._model = tf.saved_model.load(str(weights))
            self._signature = self._model.signatures[_SIGNATURE]
            self._input = _one_text(self._signature, tf)
            self._constant = tf.constant
            self._ask(musiq_jpeg(_PROBE))
        except (OSError, KeyError, ValueError, TypeError, AttributeError, tf.errors.OpError) as error:
            raise WeightsMisfit(
                f"{path_text(weights)} is no MUSIQ that takes an encoded picture and gives one score: {error}. Remove "
                f"it and fetch it again."
            ) from error

    def score(self, pictures: Sequence[Prepared]) -> list[Score]:
        """See ``Scorer``."""
        return [Score(self._ask(picture.jpeg)) for picture in pictures if picture.jpeg is not None]

    def _ask(self, jpeg: bytes) -> float:
        said = self._signature(**{self._input: self._constant(jpeg)})
        numbers = [number for value in said.values() for number in np.asarray(value, np.float64).ravel()]
        if len(numbers) != 1:
            raise ValueError(f"it gives {len(numbers)} numbers")
        return float(numbers[0])


def _one_text(signature: Any, tf: Any) -> str:
    """The name of a signature's only input, which is a scalar string; releases of MUSIQ name it differently."""
    _, inputs = signature.structured_input_signature
    if len(inputs) != 1:
        raise ValueError(f"its signature takes {', '.join(inputs) or 'nothing'}")
    ((name, spec),) = inputs.items()
    if spec.dtype != tf.string or spec.shape.rank not in {None, 0}:
        raise ValueError(f"its input {name} is {spec}")
    return str(name)
