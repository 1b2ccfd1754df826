"""NIMA on MobileNet: a distribution over the marks 1 to 10, by idealo's weights (Apache-2.0).

Source: H. Talebi and P. Milanfar, NIMA: Neural Image Assessment, 2018; idealo/image-quality-assessment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from backends.iqa.errors import WeightsMisfit
from backends.iqa.pictures import NIMA_SIDE
from backends.iqa.scoring import Score
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from backends.iqa.metrics import Metric
    from backends.iqa.pictures import Prepared

# TensorFlow is loaded when a network is, so that this module can be named without it.
# ruff: noqa: PLC0415

MARKS: Final = np.arange(1, 11)

_AT_ONCE: Final = 8
_DROPOUT: Final = 0.75
_KERNEL_AXES: Final = 2


class Nima:
    """One NIMA network with its weights."""

    at_once = _AT_ONCE

    def __init__(self, metric: Metric, weights: Path) -> None:
        """Build it and load the weights.

        Args:
            metric: Which of NIMA's metrics the weights are for.
            weights: A legacy HDF5 file of Keras.

        Raises:
            WeightsMisfit: The file is of another network, or did not fill this one.
        """
        import tensorflow as tf

        self.metric = metric
        model = nima_network()
        fill(model, weights)
        shape = tf.TensorSpec((None, NIMA_SIDE, NIMA_SIDE, 3), tf.float32)
        # One trace for all sizes of a batch; without one, a call costs more than the network.
        self._network = tf.function(
            lambda batch: model(batch, training=False), input_signature=[shape], autograph=False
        )

    def score(self, pictures: Sequence[Prepared]) -> list[Score]:
        """See ``Scorer``."""
        squares = np.stack([picture.square for picture in pictures if picture.square is not None])
        return [score_of(marks) for marks in np.asarray(self._network(nima_input(squares)), np.float64)]


def nima_network() -> Any:
    """The network without weights: MobileNet (alpha 1, averaged at the end), dropout 0.75, ten marks by softmax."""
    import keras

    body = keras.applications.MobileNet(
        input_shape=(NIMA_SIDE, NIMA_SIDE, 3), alpha=1, include_top=False, pooling="avg", weights=None
    )
    dropped = keras.layers.Dropout(_DROPOUT)(body.output)
    return keras.Model(body.inputs, keras.layers.Dense(len(MARKS), activation="softmax")(dropped))


def nima_input(squares: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bring Nx224x224x3 pixels to [-1, 1], as MobileNet takes them."""
    from keras.applications import mobilenet

    return np.asarray(mobilenet.preprocess_input(squares.astype(np.float32)), np.float32)


def fill(model: Any, weights: Path) -> None:
    """Load weights by the order of the layers, and make sure that all of them came.

    By name, Keras leaves a head random whose name the file does not know, and says nothing.

    Args:
        model: A network as built, its kernels random.
        weights: A legacy HDF5 file of Keras.

    Raises:
        WeightsMisfit: The file is of another network, or left a kernel of head or body as it was.
    """
    before = {kernel.path: np.array(kernel) for kernel in _kernels(model)}
    try:
        model.load_weights(str(weights))
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        # Keras' reader trips over whatever a file lacks.
        raise WeightsMisfit(
            f"{path_text(weights)} does not hold the weights of NIMA on MobileNet: {error}. Remove it and fetch it "
            f"again."
        ) from error
    unmoved = [kernel.path for kernel in _kernels(model) if np.array_equal(before[kernel.path], kernel)]
    if unmoved:
        raise WeightsMisfit(
            f"{path_text(weights)} left {len(unmoved)} of {len(before)} layers random, {unmoved[-1]} among them: its "
            f"scores would mean nothing. Remove it and fetch it again."
        )
    if not all(np.isfinite(np.array(weight)).all() for weight in model.weights):
        raise WeightsMisfit(f"{path_text(weights)} holds weights that are no numbers. Fetch it again.")


def score_of(probabilities: NDArray[np.float64]) -> Score:
    """Mean and standard deviation of a distribution over the marks 1 to 10.

    Args:
        probabilities: Ten, that sum to 1.
    """
    mean = float(probabilities @ MARKS)
    return Score(mean, float(np.sqrt(probabilities @ (MARKS - mean) ** 2)))


def _kernels(model: Any) -> list[Any]:
    """What is random in a network as built; biases and the parts of a normalization begin as constants."""
    return [weight for weight in model.trainable_weights if len(weight.shape) >= _KERNEL_AXES]
