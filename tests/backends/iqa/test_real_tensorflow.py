"""NIMA and MUSIQ on real TensorFlow, with weights made here: the layout of the real ones, random numbers in them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
from base64 import b64encode

import httpx
import numpy as np
import pytest
from iqa_worker import READY_S, wait_until_ready, worker
from made_up_weights import write_musiq, write_nima
from PIL import Image

from backends.iqa.errors import WeightsMisfit
from backends.iqa.metrics import METRICS
from backends.iqa.musiq import Musiq
from backends.iqa.nima import Nima, fill, nima_input, nima_network
from backends.iqa.pictures import Prepared, musiq_jpeg, nima_square, prepare

# TensorFlow is loaded where a test runs: collecting needs none.
# ruff: noqa: PLC0415

pytestmark = [
    pytest.mark.real,
    # TensorFlow's and Keras' own, of NumPy 2 and of Python 3.11.
    pytest.mark.filterwarnings("ignore"),
]

NIMA = METRICS["nima_aesthetic"]
MUSIQ = METRICS["musiq_spaq"]
ENDED_S = 60


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    loaded = pytest.importorskip("tensorflow", reason="TensorFlow is not installed; `make tf` brings it")
    from absl import logging

    # Its handler closes the standard error that it was made with, which is pytest's, when logging is configured anew.
    logging.get_absl_handler().python_handler.stream = sys.__stderr__
    return loaded


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights' folder with both of NIMA's metrics and one of MUSIQ's."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(("nima_aesthetic", "nima_technical")):
        write_nima(folder / METRICS[name].weights, seed=seed)
    write_musiq(folder / MUSIQ.weights)
    return folder


@pytest.fixture(scope="module")
def nima(weights):
    return Nima(NIMA, weights / NIMA.weights)


@pytest.fixture(scope="module")
def musiq(weights):
    return Musiq(MUSIQ, weights / MUSIQ.weights)


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def noise(seed, height=300, width=400):
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (height // 20, width // 20, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def test_the_network_is_the_one_that_the_weights_were_made_for():
    network = nima_network()
    assert network.count_params() == 3_239_114
    assert sum(1 for layer in network.layers if layer.weights) == 55


def test_its_input_is_what_keras_own_loader_gives(tmp_path):
    import keras

    path = tmp_path / "photo.png"
    path.write_bytes(encoded(noise(1)))
    loaded = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(224, 224)))
    expected = keras.applications.mobilenet.preprocess_input(loaded[None].copy())
    made = nima_input(prepare(path.read_bytes(), {"nima"}).square[None])
    assert made.dtype == np.float32
    assert np.array_equal(made, expected)
    assert -1 <= made.min() <= made.max() <= 1


def test_its_input_of_a_jpeg_is_keras_own_within_a_level_or_two(tmp_path):
    import keras

    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(noise(2), "JPEG", quality=90))
    loaded = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(224, 224)))
    assert np.abs(prepare(path.read_bytes(), {"nima"}).square - loaded).max() <= 2


def test_scores_are_those_of_the_plain_network_with_the_same_weights(weights, nima):
    network = nima_network()
    network.load_weights(str(weights / NIMA.weights))
    square = nima_square(np.asarray(noise(3)))
    marks = network.predict(square[None] / 127.5 - 1.0, verbose=0)[0].astype(float)
    mean = sum(mark * share for mark, share in enumerate(marks, start=1))
    std = sum((mark - mean) ** 2 * share for mark, share in enumerate(marks, start=1)) ** 0.5
    (score,) = nima.score([Prepared(square, None)])
    assert (score.mean, score.std) == (pytest.approx(mean, abs=1e-4), pytest.approx(std, abs=1e-4))
    assert 1 <= score.mean <= 10


def test_a_batch_gives_the_numbers_of_one_by_one(nima):
    pictures = [prepare(encoded(noise(seed)), {"nima"}) for seed in range(nima.at_once)]
    together = nima.score(pictures)
    alone = [nima.score([picture])[0] for picture in pictures]
    assert [one.mean for one in together] == pytest.approx([one.mean for one in alone], abs=1e-5)
    assert [one.std for one in together] == pytest.approx([one.std for one in alone], abs=1e-5)


def test_other_weights_give_other_scores(weights, nima):
    technical = METRICS["nima_technical"]
    picture = prepare(encoded(noise(4)), {"nima"})
    other = Nima(technical, weights / technical.weights)
    assert other.score([picture])[0].mean != nima.score([picture])[0].mean


def test_weights_of_another_network_fail_loudly(tmp_path):
    import keras

    full = nima_network()
    five_marks = keras.Model(full.inputs, keras.layers.Dense(5, activation="softmax")(full.layers[-2].output))
    headless = keras.Model(full.inputs, full.layers[-2].output)
    for number, model in enumerate((five_marks, headless)):
        path = write_nima(tmp_path / f"{number}.hdf5", seed=9, model=model)
        with pytest.raises(WeightsMisfit, match="does not hold the weights"):
            Nima(NIMA, path)
    text = tmp_path / "text.hdf5"
    text.write_bytes(b"<html>Sign in</html>")
    with pytest.raises(WeightsMisfit, match=r"text\.hdf5"):
        Nima(NIMA, text)


@pytest.mark.parametrize("skipped", ["dense", "conv_pw_7"])
def test_a_loader_that_leaves_a_layer_random_is_found_out(tmp_path, skipped):
    """As loading by name does, with an unnamed head: it leaves the head as it was, and says nothing."""
    path = write_nima(tmp_path / "weights.hdf5", seed=5)
    network = nima_network()
    whole = network.load_weights

    def leaves_one(file):
        left = next(layer for layer in network.layers if layer.name.startswith(skipped))
        before = left.get_weights()
        whole(file)
        left.set_weights(before)

    network.load_weights = leaves_one
    with pytest.raises(WeightsMisfit, match=f"left 1 of 28 layers random, {skipped}"):
        fill(network, path)


def test_weights_that_are_no_numbers_fail_loudly(tmp_path):
    broken = nima_network()
    kernel, bias = broken.layers[-1].get_weights()
    broken.layers[-1].set_weights([kernel, np.full_like(bias, np.nan)])
    path = write_nima(tmp_path / "nan.hdf5", seed=6, model=broken)
    with pytest.raises(WeightsMisfit, match="no numbers"):
        Nima(NIMA, path)


@pytest.mark.parametrize(("given", "gives"), [("image_bytes_tensor", "output_0"), ("picture", "quality")])
def test_musiqs_names_are_read_from_its_signature(tmp_path, given, gives):
    musiq = Musiq(MUSIQ, write_musiq(tmp_path / "spaq", input_name=given, output_name=gives))
    (score,) = musiq.score([Prepared(None, musiq_jpeg(np.full((50, 60, 3), 51, np.uint8)))])
    assert (score.mean, score.std) == (pytest.approx(20, abs=0.5), None)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_grey_and_cmyk_photos_reach_musiq_as_rgb(musiq, mode):
    data = encoded(Image.new("L", (64, 48), 102).convert(mode), "JPEG", quality=100)
    assert musiq.score([prepare(data, {"musiq"})])[0].mean == pytest.approx(40, abs=1.5)


def test_a_folder_that_is_no_musiq_fails_loudly(tmp_path, tensorflow):
    with pytest.raises(WeightsMisfit, match="is no MUSIQ"):
        Musiq(MUSIQ, tmp_path)

    class Other(tensorflow.Module):
        @tensorflow.function(input_signature=[tensorflow.TensorSpec([None], tensorflow.float32, name="x")])
        def serve(self, x):
            return {"y": x}

    other = Other()
    tensorflow.saved_model.save(other, str(tmp_path / "other"), signatures={"serving_default": other.serve})
    with pytest.raises(WeightsMisfit, match="its input x is"):
        Musiq(MUSIQ, tmp_path / "other")


def test_the_worker_loads_scores_over_http_and_ends_on_sigterm(weights, nima, musiq, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    photos = {
        "plain": encoded(noise(10), "JPEG"),
        "grey": encoded(noise(11).convert("L"), "JPEG"),
        "cmyk": encoded(noise(12).convert("CMYK"), "JPEG"),
        "turned": encoded(noise(13), "JPEG", exif=turned),
        "huge": encoded(noise(14, 4000, 6000), "JPEG"),
        "broken": b"no photo",
    }
    log = tmp_path / "log"
    with worker(weights, log) as (process, url):
        wait_until_ready(process, url, log)
        assert httpx.get(f"{url}/healthz").json()["metrics"] == [
            "nima_aesthetic",
            "nima_technical",
            "musiq_spaq",
        ]
        images = [{"id": name, "image_b64": b64encode(data).decode()} for name, data in photos.items()]
        answered = httpx.post(f"{url}/infer", json={"images": images}, timeout=120).json()["results"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(ENDED_S) in {0, -signal.SIGTERM}
    assert [one["id"] for one in answered] == list(photos)
    for one in answered[:-1]:
        prepared = prepare(photos[one["id"]], {"nima", "musiq"})
        (by_nima,), (by_musiq,) = nima.score([prepared]), musiq.score([prepared])
        assert one["metrics"]["nima_aesthetic"]["mean"] == pytest.approx(by_nima.mean, abs=2e-4)
        assert one["metrics"]["nima_aesthetic"]["std"] == pytest.approx(by_nima.std, abs=2e-4)
        assert one["metrics"]["musiq_spaq"] == {"mean": pytest.approx(by_musiq.mean, abs=2e-4)}
        assert 1 <= one["metrics"]["nima_technical"]["mean"] <= 10
    assert {outcome["error_class"] for outcome in answered[-1]["metrics"].values()} == {"not_a_picture"}


def test_a_worker_whose_weights_do_not_fit_ends_and_says_why(weights, tmp_path):
    folder = tmp_path / "weights"
    (folder / "nima").mkdir(parents=True)
    (folder / NIMA.weights).write_bytes(b"not weights")
    log = tmp_path / "log"
    with worker(folder, log, metrics="nima_aesthetic") as (process, _):
        assert process.wait(READY_S) == 1
    assert re.search(r"weights_mobilenet_aesthetic_0\.07\.hdf5 does not hold the weights", log.read_text())
    assert "Traceback" not in log.read_text()


def test_a_worker_that_is_told_to_end_while_it_loads_ends(weights, tmp_path):
    log = tmp_path / "log"
    with worker(weights, log) as (process, url):
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            try:
                assert json.loads(httpx.get(f"{url}/healthz").content)["status"] in {"loading", "ok"}
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(ENDED_S) in {0, -signal.SIGTERM}
