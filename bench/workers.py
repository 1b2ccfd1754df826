"""What Celery's workers bring: the throughput of one, two and three, and what each executor costs a batch.

The server has room for all and takes two seconds for an answer, photos are no larger than models see them, and the
workers have little to do: what is measured is whether they wait for one another. Needs a Redis on the loopback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import psutil

from bench.photographs import make_folder
from bench.result import Result
from bench.server import local_server, write_registry
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOUBLES = Path(__file__).parent.parent / "tests" / "doubles"
BROKER = "redis://127.0.0.1:6379/13"
# Dagster's files of what steps print are four processes a step.
DAGSTER = """\
telemetry: {enabled: false}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
LATENCY_S = 2.0
BATCHES = 6
PHOTOS = 10
CONCURRENCY = 2
CRITIQUES = "judge/critiques"
BEFORE = ("judge/entries", "judge/compliance", "judge/signals")
EXECUTORS = ("in_process", "multiprocess", "celery")


def run() -> list[Result]:
    """Critiques of six batches by one, two and three workers, of one as large by three; a batch by each executor."""
    with tempfile.TemporaryDirectory() as place, local_server(latency_s=LATENCY_S) as url:
        root = Path(place)
        folders = [
            make_folder(root / f"round-{number}", PHOTOS, width=320, height=240, first=PHOTOS * number)
            for number in range(BATCHES)
        ]
        club = _Club(root, url)
        large = make_folder(root / "large", BATCHES * PHOTOS, width=320, height=240, first=BATCHES * PHOTOS)
        club.prepare([*folders, large])
        rates, shares = [], []
        for count in (1, 2, 3):
            rate, share = club.throughput(folders, count)
            rates.append(rate)
            shares.append(share)
        in_parts, share = club.throughput([large], 3, part_photos=PHOTOS)
        shares.append(share)
    with tempfile.TemporaryDirectory() as place, local_server(latency_s=0.0) as url:
        root = Path(place)
        folder = make_folder(root / "round", 4, width=320, height=240)
        costs = {executor: _overhead(root / executor, url, folder, executor) for executor in EXECUTORS}
    return [
        Result("one_worker", rates[0], "answers/s"),
        Result("two_workers_over_twice_one", rates[1] / rates[0] / 2, "ratio", 0.9, "at least"),
        Result("three_workers_over_thrice_one", rates[2] / rates[0] / 3, "ratio", 0.9, "at least"),
        Result(
            "one_batch_in_parts_by_three_workers_over_thrice_one",
            in_parts / rates[0] / 3,
            "ratio",
            0.9,
            "at least",
        ),
        Result("busiest_worker_share_of_a_core", max(shares), "ratio", 0.15),
        *(Result(f"batch_overhead_{executor}", seconds, "s") for executor, seconds in costs.items()),
        Result("batch_overhead_celery_over_in_process", costs["celery"] / costs["in_process"], "ratio"),
        Result(
            "batch_overhead_multiprocess_over_in_process",
            costs["multiprocess"] / costs["in_process"],
            "ratio",
        ),
    ]


class _Club:
    """A home, its server, and workers that come and go."""

    def __init__(self, root: Path, url: str) -> None:
        self._root = root
        self._settings = Settings(home=root / "home")
        write_registry(root / "home", url)
        (root / "home" / "registry.yaml").open("a").write("roles: {judge: bench-vlm, pairwise: bench-vlm}\n")
        self._environ = _environ(root, "celery")

    def prepare(self, folders: Sequence[Path]) -> None:
        """Make what critiques rest on."""
        self._judge(
            folders, _environ(self._root, "in_process"), *(f"--asset={one}" for one in BEFORE), at_once=2
        )

    def _judge(self, folders: Sequence[Path], environ: dict[str, str], *options: str, at_once: int) -> None:
        command = [sys.executable, "-m", "judging_many", "--at-once", str(at_once), *options]
        # What it says is for nobody: figures are on standard output.
        subprocess.run(
            [*command, *map(str, folders)], env=environ, cwd=self._root, check=True, stdout=subprocess.DEVNULL
        )

    def throughput(self, folders: Sequence[Path], count: int, *, part_photos: int = 0) -> tuple[float, float]:
        """Answers a second, from the first question to the last answer, and the busiest worker's share of a core."""
        before, environ = self._runs(), {**self._environ, "IMAGEWORKS_PART_PHOTOS": str(part_photos)}
        with _workers(count, self._root, environ) as workers:
            began, spent = time.monotonic(), [_spent_s(worker) for worker in workers]
            self._judge(folders, environ, f"--asset={CRITIQUES}", "--fresh", at_once=len(folders))
            seconds = time.monotonic() - began
            shares = [(_spent_s(one) - was) / seconds for one, was in zip(workers, spent, strict=True)]
        runs = self._runs() - before
        query = (
            "SELECT count(*), max(epoch(enqueued_at) + total_ms / 1000) - min(epoch(enqueued_at)) FROM events "
            "WHERE list_contains($1, run_id)"
        )
        with connect(Home.of(self._settings)) as connection:
            row = connection.execute(query, [sorted(runs)]).fetchone()
        assert row is not None
        answers, span_s = row
        if answers != BATCHES * PHOTOS:
            raise AssertionError(f"{answers} answers of {BATCHES * PHOTOS}")
        return answers / span_s, max(shares)

    def _runs(self) -> set[str]:
        return {path.stem for path in Home.of(self._settings).manifests.glob("*.json")}


def _environ(root: Path, executor: str) -> dict[str, str]:
    dagster = root / "dagster"
    dagster.mkdir(parents=True, exist_ok=True)
    (dagster / "dagster.yaml").write_text(DAGSTER, encoding="utf-8")
    return {
        **os.environ,
        "IMAGEWORKS_HOME": str(root / "home"),
        "DAGSTER_HOME": str(dagster),
        "IMAGEWORKS_EXECUTOR": executor,
        "IMAGEWORKS_BROKER_URL": BROKER,
        "IMAGEWORKS_CONCURRENCY": str(CONCURRENCY),
        "PYTHONPATH": str(DOUBLES),
    }


@contextmanager
def _workers(count: int, root: Path, environ: dict[str, str]) -> Iterator[list[psutil.Process]]:
    """So many workers, each of which takes one step at a time, from when they are ready."""
    celery = [str(Path(sys.executable).with_name("celery")), "-A", "imageworks_dagster.worker"]
    subprocess.run([*celery, "purge", "-f"], env=environ, cwd=root, check=True, capture_output=True)
    with ExitStack() as stack:
        started = []
        for number in range(count):
            log = root / f"worker-{number}.log"
            named = ["worker", "--concurrency", "1", "--hostname", f"bench-{number}", "--loglevel", "info"]
            with log.open("wb") as output:
                worker = subprocess.Popen(
                    [*celery, *named], env=environ, cwd=root, stdout=output, stderr=output
                )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
            while " ready." not in log.read_text(errors="replace"):
                if worker.poll() is not None:
                    raise AssertionError(log.read_text(errors="replace")[-3000:])
                time.sleep(0.1)
            started.append(psutil.Process(worker.pid))
        yield started


def _spent_s(worker: psutil.Process) -> float:
    """Seconds of a core that a worker and its children have spent."""
    every = [worker, *worker.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in every)


def _overhead(root: Path, url: str, folder: Path, executor: str) -> float:
    """Seconds of a batch's run that are no stage's: starting steps, handing them out, checks, and telling Dagster."""
    environ = _environ(root, executor)
    write_registry(root / "home", url)
    with ExitStack() as stack:
        if executor == "celery":
            stack.enter_context(_workers(1, root, environ))
        # The first one makes what the later one finds made; a worker has loaded everything by then, as all have who
        # stay, and a process a step finds nothing of that.
        first = environ if executor == "celery" else _environ(root, "in_process")
        for given in (first, environ):
            done = subprocess.run(
                [sys.executable, "-m", "judging_run", str(folder)],
                env=given,
                cwd=root,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        record = instance.get_run_record_by_id(done.stdout)
    assert record is not None
    assert record.start_time is not None
    assert record.end_time is not None
    manifest = read_manifest(Home.of(Settings(home=root / "home")), done.stdout)
    return record.end_time - record.start_time - sum(stage.seconds for stage in manifest.stages.values())
