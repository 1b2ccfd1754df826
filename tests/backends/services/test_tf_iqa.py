"""`python -m backends.services.tf_iqa`: how it fails before TensorFlow is needed, and where that is missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from backends.iqa.metrics import METRICS

pytestmark = pytest.mark.slow


def tf_iqa(*arguments, home, **environ):
    return subprocess.run(
        [sys.executable, "-m", "backends.services.tf_iqa", *arguments],
        env={**os.environ, "IMAGEWORKS_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_missing_weights_are_one_line_with_the_command_that_brings_them(tmp_path):
    done = tf_iqa("--port", "0", "--metrics", "musiq_spaq", home=tmp_path)
    assert done.returncode == 1
    assert "imageworks models fetch musiq_spaq" in done.stderr
    assert str(tmp_path / "weights" / "musiq" / "spaq") in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("metrics", ["brisque", ",", ""])
def test_a_metric_that_there_is_not_is_told_with_those_that_there_are(tmp_path, metrics):
    done = tf_iqa("--port", "0", "--metrics", metrics, home=tmp_path)
    assert done.returncode == 1
    assert "Choose from nima_aesthetic" in done.stderr


def test_where_tensorflow_is_missing_it_ends_and_says_how_to_install_it(tmp_path):
    weights = tmp_path / "weights" / METRICS["nima_aesthetic"].weights
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"never read")
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no TensorFlow here')")
    done = tf_iqa("--port", "0", "--metrics", "nima_aesthetic", home=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "make tf" in done.stderr
    assert "Traceback" not in done.stderr
