"""From fetched weights to scores in a judged round, on real TensorFlow with made-up weights."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from at_terminal import imageworks
from iqa_worker import wait_until_ready, worker
from made_up_photos import write_photo
from weights_mirror import Mirror

from backends.iqa.metrics import METRICS
from imageworks_dagster.opened import close_stores, open_store
from store.settings import Settings

pytestmark = pytest.mark.real

DOUBLES = Path(__file__).parents[1] / "doubles"

MAKING = """
import sys
from pathlib import Path
from made_up_weights import write_musiq, write_nima
from backends.iqa.metrics import METRICS
folder = Path(sys.argv[1])
for seed, name in enumerate(("nima_aesthetic", "nima_technical")):
    write_nima(folder / METRICS[name].weights, seed=seed)
write_musiq(folder / METRICS["musiq_spaq"].weights)
"""

REGISTRY = """
models:
  club-iqa:
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [nima_aesthetic, nima_technical, musiq_spaq]}}}}
    deployments: [{{name: here, provider: tf_iqa, base_url: "{url}"}}]
    revision: "1"
"""


@pytest.fixture
def published(tmp_path):
    """Made-up weights as they are published; made in a process of their own, which TensorFlow then has to itself."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed; `make tf` brings it")
    made = tmp_path / "made"
    subprocess.run(
        [sys.executable, "-c", MAKING, made],
        env={**os.environ, "PYTHONPATH": str(DOUBLES), "TF_CPP_MIN_LOG_LEVEL": "2"},
        check=True,
    )
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(made / METRICS["musiq_spaq"].weights, arcname=".")
    nima = [METRICS[name].weights for name in ("nima_aesthetic", "nima_technical")]
    return {**{name: (made / name).read_bytes() for name in nima}, "musiq/spaq.tar.gz": packed.getvalue()}


def test_fetch_serve_and_judge(published, tmp_path):
    home = tmp_path / "home"
    with Mirror(published) as mirror:
        fetched = imageworks(home, "models", "fetch", "nima", "musiq_spaq", "--mirror", mirror.url)
    assert fetched.code == 0, fetched
    for number in range(5):
        write_photo(tmp_path / "round" / f"Title {number} by Member {number}.jpg", seed=number)
    log = tmp_path / "log"
    with worker(home / "weights", log) as (process, url):
        wait_until_ready(process, url, log)
        (home / "registry.yaml").write_text(REGISTRY.format(url=url), encoding="utf-8")
        judged = imageworks(home, "judge", tmp_path / "round", "--iqa-model", "club-iqa")
    assert judged.code == 0, judged
    rows = open_store(Settings(home=home)).tables.read("judge/signals", "round").to_pylist()
    close_stores()
    assert {row["iqa_error"] for row in rows} == {None}
    for metric in ("nima_aesthetic", "nima_technical", "musiq_spaq"):
        scores = [row[metric] for row in rows]
        assert len(set(scores)) == 5
        assert all(METRICS[metric].low <= score <= METRICS[metric].high for score in scores)
