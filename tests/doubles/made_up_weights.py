"""Made-up weights for TensorFlow's networks: the layout of the real files, and random numbers in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backends.iqa.nima import nima_network

# TensorFlow is loaded where weights are made: not every environment has it.
# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from pathlib import Path


def write_nima(path: Path, *, seed: int, model=None) -> Path:
    """NIMA's weights as a legacy HDF5 file of Keras, as idealo's are."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(
            file, enlivened(nima_network() if model is None else model, seed)
        )
    return path


def enlivened(model, seed: int):
    """The network with random kernels that let a picture through to the head; as built, all of them score 5.5.

    Source: K. He et al., Delving Deep into Rectifiers, 2015.
    """
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if not layer.weights or "bn" in layer.name:
            continue
        kernel, *bias = layer.get_weights()
        inputs = 9 if "dw" in layer.name else kernel[..., 0].size
        layer.set_weights([generator.normal(0, (2 / inputs) ** 0.5, kernel.shape), *bias])
    return model


def write_musiq(
    folder: Path, *, input_name: str = "image_bytes_tensor", output_name: str = "output_0"
) -> Path:
    """A SavedModel with MUSIQ's signature: one encoded picture to one number, here its mean level in percent.

    Like the real one it decodes grey as one channel and knows nothing of orientation; it refuses one channel.
    """
    import tensorflow as tf

    class Tiny(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(100 / 255)

        @tf.function(input_signature=[tf.TensorSpec([], tf.string, name=input_name)])
        def serve(self, encoded):
            pixels = tf.io.decode_jpeg(encoded)
            with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(pixels)[2], 3)]):
                return {output_name: tf.reduce_mean(tf.cast(pixels, tf.float32), keepdims=True) * self.scale}

    tiny = Tiny()
    folder.parent.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(tiny, str(folder), signatures={"serving_default": tiny.serve})
    return folder
