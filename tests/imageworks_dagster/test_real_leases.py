"""One machine's memory for two real model servers: a round is judged while leases swap TF-IQA and vLLM in and out."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from real_vllm import READY_S, SERVE, compare_little
from supervised import lives, program, wait_until

from imageworks_dagster.demo.making import make_demo
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervised import Supervised

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]

IMAGEWORKS = Path(sys.executable).with_name("imageworks")
DOUBLES = Path(__file__).parents[1] / "doubles"
MEMORY = {"name": "memory", "kind": "host", "memory_mib": 8000}
VLLM_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
# Either fits into the memory that there is said to be, and not both.
REGISTRY = """\
devices:
  memory: {{kind: host, memory_mib: 8000}}
models:
  tiny-vlm:
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - {{name: here, provider: vllm, base_url: "{vllm}", devices: [memory], slots: 4}}
    footprint: {{vram_mib: 6000, source: measured here}}
    revision: "1"
  club-iqa:
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [nima_aesthetic, nima_technical]}}}}
    deployments:
      - {{name: here, provider: tf_iqa, base_url: "{iqa}", devices: [memory]}}
    footprint: {{vram_mib: 3000, source: measured here}}
    revision: "1"
"""
MAKING = """
import sys
from pathlib import Path
from made_up_weights import write_nima
from backends.iqa.metrics import METRICS
for seed, name in enumerate(("nima_aesthetic", "nima_technical")):
    write_nima(Path(sys.argv[1]) / METRICS[name].weights, seed=seed)
"""


class Club:
    """Somebody at a terminal, two supervisors, and what they left behind."""

    def __init__(self, home: Path, folder: Path, vllm: Supervised, iqa: Supervised) -> None:
        self.home = home
        self.photos = make_demo(folder)
        compare_little(self.photos.rules)
        self.vllm = vllm
        self.iqa = iqa
        home.mkdir()
        (home / "registry.yaml").write_text(REGISTRY.format(vllm=vllm.url, iqa=iqa.url), encoding="utf-8")

    def judges(self, *options: str) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
        ours = {
            "IMAGEWORKS_HOME": str(self.home),
            "IMAGEWORKS_LEASES": "enforce",
            "IMAGEWORKS_CONCURRENCY": "4",
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [
                str(IMAGEWORKS),
                "judge",
                str(self.photos.judge),
                "--rules",
                str(self.photos.rules),
                "--model",
                "tiny-vlm",
                "--iqa-model",
                "club-iqa",
                *options,
            ],
            env={**environ, **ours},
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        words = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 0, words
        return words

    def select(self, query: str) -> list[dict[str, Any]]:
        with connect(Home.of(Settings(home=self.home))) as connection:
            rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
            return rows

    def answered(self, stage: str) -> int:
        """Answers that have an event by now; the spool is there before the tables are."""
        return sum(
            f'"stage":"{stage}"' in line and '"status":"ok"' in line
            for path in Home.of(Settings(home=self.home)).spool.glob("*.jsonl")
            for line in path.read_text(encoding="utf-8").splitlines()
        )


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    if not SERVE.exists():
        pytest.skip(f"no real vLLM server to start: {SERVE} is not there")
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed; `make tf` brings it")
    folder = tmp_path_factory.mktemp("club")
    for name in ("vllm", "iqa"):
        (folder / name).mkdir()
    printed = subprocess.run(
        [str(SERVE), "--print-command"],
        env={**os.environ, "VLLM_CPU_PORT": "{port}"},
        capture_output=True,
        text=True,
        check=True,
    )
    subprocess.run(
        [sys.executable, "-c", MAKING, folder / "weights"],
        env={**os.environ, "PYTHONPATH": str(DOUBLES), "TF_CPP_MIN_LOG_LEVEL": "2"},
        check=True,
    )
    vllm = {"command": shlex.split(printed.stdout), "env": VLLM_ENVIRONMENT, "load_timeout_s": READY_S}
    worker = [sys.executable, "-m", "backends.services.tf_iqa", "--port", "{port}", "--metrics", "nima"]
    iqa = {"command": [*worker, "--weights", str(folder / "weights")], "health": "/healthz"}
    with ExitStack() as stack:
        one = stack.enter_context(
            program(folder / "vllm", {"tiny-vlm": vllm}, device=MEMORY, watch={"every_s": 2, "timeout_s": 30})
        )
        two = stack.enter_context(
            program(folder / "iqa", {"club-iqa": iqa}, device=MEMORY, provider="tf_iqa")
        )
        yield Club(folder / "home", folder / "photos", one, two)


def test_a_round_is_judged_by_two_models_that_do_not_fit_together_and_a_crash_in_its_middle_costs_nothing(
    club,
):
    killed = threading.Event()
    engine: list[psutil.Process] = []

    def kill_in_the_middle() -> None:
        wait_until(lambda: club.answered("judge/critiques") >= 3, "critiques come", within_s=900)
        active = club.vllm.active()
        assert active["state"] == "ready"
        engine.extend(psutil.Process(active["pid"]).children(recursive=True))
        os.kill(active["pid"], signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill_in_the_middle, daemon=True)
    killer.start()
    club.judges()
    assert killed.is_set()
    assert club.vllm.active()["restarts"] >= 1
    assert engine, "vLLM's engine is a process of its own"
    assert not any(lives(process.pid) for process in engine)

    rows = club.select("SELECT * FROM judge_signals WHERE error_class IS NULL")
    assert rows
    assert all(1 <= row["nima_aesthetic"] <= 10 and row["iqa_error"] is None for row in rows)
    asked = club.select("SELECT * FROM judge_critiques WHERE request_digest IS NOT NULL")
    assert asked
    assert {row["error_class"] for row in asked} <= {None, "schema_mismatch", "truncated_answer", "not_json"}
    once = club.select(
        "SELECT max(times) AS most FROM "
        "(SELECT count(*) AS times FROM events WHERE status = 'ok' GROUP BY request_digest)"
    )
    assert once == [{"most": 1}]

    decisions = club.select("SELECT kind, model FROM decisions ORDER BY decided_at")
    switches = [(row["kind"], row["model"]) for row in decisions if row["kind"] in {"loaded", "unloaded"}]
    assert switches[:3] == [("loaded", "club-iqa"), ("unloaded", "club-iqa"), ("loaded", "tiny-vlm")]
    assert club.iqa.state()["active"] is None


def test_the_other_model_comes_back_and_goes_again_when_it_is_its_turn(club):
    club.judges("--fresh")
    decisions = club.select("SELECT kind, model FROM decisions ORDER BY decided_at")
    switches = [(row["kind"], row["model"]) for row in decisions if row["kind"] in {"loaded", "unloaded"}]
    assert switches[-4:] == [
        ("unloaded", "tiny-vlm"),
        ("loaded", "club-iqa"),
        ("unloaded", "club-iqa"),
        ("loaded", "tiny-vlm"),
    ]
    assert club.iqa.state()["active"] is None
    assert club.vllm.active()["state"] == "ready"


def test_the_server_that_is_left_streams_under_a_lease_and_then_goes_with_all_its_processes(club):
    state = club.vllm.state()
    assert state["device"]["used_mib"] > 500
    question = {
        "model": "tiny-vlm",
        "messages": [{"role": "user", "content": "Describe the light."}],
        "max_completion_tokens": 24,
        "stream": True,
    }
    lease = {"X-ImageWorks-Lease": str(state["token"])}
    with club.vllm.client.stream(
        "POST", "/v1/chat/completions", json=question, headers=lease, timeout=120
    ) as streamed:
        assert streamed.read().endswith(b"data: [DONE]\n\n")

    pid = state["active"]["pid"]
    tree = [pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))]
    order = {"token": state["token"] + 1}
    gone = club.vllm.client.post("/deactivate", json=order, timeout=120)
    assert gone.json()["active"] is None, gone.text
    assert not any(lives(pid) for pid in tree)
