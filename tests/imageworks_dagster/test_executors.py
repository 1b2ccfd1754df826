"""The same definitions under each executor, in the run's process, in one a step, and by a Celery worker over Redis; and
with their tables on this disk and in a store of objects; and a batch in parts.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import dagster as dg
import judging_run
import pytest
from made_up_photos import write_photo
from object_store import BUCKET, object_store, variables
from sqlalchemy import select
from supervised import free_port, wait_until

from imageworks_dagster.opened import close_stores, open_store
from imageworks_dagster.pipelines import JUDGE
from store.database import StateDatabase
from store.home import Home
from store.object_paths import ObjectPath
from store.settings import Settings
from store.tables import step_claims
from telemetry.manifest import read_manifest

REDIS = ("127.0.0.1", 6379)
# A database of its own: whoever else uses this Redis begins at 0.
BROKER = "redis://127.0.0.1:6379/11"

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("executors") / "Round"
    for number in range(3):
        write_photo(place / f"Title {number} by Member {number:02d}.jpg", seed=number)
    return place


@pytest.fixture(scope="module")
def endpoint():
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture
def in_objects(endpoint, tmp_path, monkeypatch):
    """The URL of a store of objects, which the environment leads to."""
    for name, value in variables(endpoint).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


def environment(place, executor, artifacts, broker=BROKER):
    dagster = place / "dagster"
    dagster.mkdir()
    (dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return {
        **os.environ,
        "IMAGEWORKS_HOME": str(place / "home"),
        "DAGSTER_HOME": str(dagster),
        "IMAGEWORKS_EXECUTOR": executor,
        "IMAGEWORKS_BROKER_URL": broker,
        "IMAGEWORKS_ARTIFACTS_URL": artifacts or "",
        # Workers find the job by the name of its module.
        "PYTHONPATH": str(Path(judging_run.__file__).parent),
    }


def judged(folder, place, executor, artifacts=None, broker=BROKER):
    """What each stage's table says after one run, and who carried its steps out."""
    done = subprocess.run(
        [sys.executable, "-m", "judging_run", folder],
        env=environment(place, executor, artifacts, broker),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    settings = Settings(home=place / "home", artifacts_url=artifacts)
    manifest = read_manifest(Home.of(settings), done.stdout)
    assert manifest.status == "ok"
    assert set(manifest.stages) == {stage.asset for stage in JUDGE.stages}
    tables = open_store(settings).tables
    try:
        current = [tables.current(stage.asset, judging_run.BATCH) for stage in JUDGE.stages]
        assert all(isinstance(one.path, ObjectPath) == (artifacts is not None) for one in current)
        assert bool(list((place / "home" / "assets").rglob("*.parquet"))) == (artifacts is None)
        assert all(tables.read(one.asset, one.batch).num_rows == one.rows for one in current)
        return {one.asset: one.data_version for one in current}
    finally:
        close_stores()


@pytest.fixture(scope="module")
def in_one_process(folder, tmp_path_factory):
    return judged(folder, tmp_path_factory.mktemp("in_process"), "in_process")


@contextmanager
def celery_worker(place, artifacts, broker=BROKER):
    """A worker as the stack starts one, until it is ready; it sees what the run sees, and divides no batch itself."""
    command = [str(Path(sys.executable).with_name("celery")), "-A", "imageworks_dagster.worker", "worker"]
    options = ["--prefetch-multiplier", "1", "--concurrency", "1", "--loglevel", "info"]
    shared = {
        **os.environ,
        "IMAGEWORKS_BROKER_URL": broker,
        "IMAGEWORKS_HOME": str(place / "home"),
        "IMAGEWORKS_ARTIFACTS_URL": artifacts or "",
        # A batch is divided as the run says, on a host that is set otherwise too.
        "IMAGEWORKS_PART_PHOTOS": "0",
        "PYTHONPATH": str(Path(judging_run.__file__).parent),
    }
    with subprocess.Popen(
        [*command, *options],
        env=shared,
        cwd=place,
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        said = []
        for line in worker.stdout:
            said.append(line)
            if " ready." in line:
                break
        else:
            pytest.fail("the worker ended before it was ready:\n" + "".join(said))
        # Its lines are for its own log; a full pipe would stop it.
        drained = subprocess.Popen(["cat"], stdin=worker.stdout, stdout=subprocess.DEVNULL)
        try:
            yield worker
        finally:
            worker.terminate()
            worker.wait(30)
            drained.wait(30)


def test_one_process_finds_the_same_with_its_tables_in_a_store_of_objects(
    folder, in_one_process, in_objects, tmp_path
):
    assert judged(folder, tmp_path, "in_process", in_objects) == in_one_process


def test_a_process_a_step_finds_the_same(folder, in_one_process, tmp_path):
    assert judged(folder, tmp_path, "multiprocess") == in_one_process


def test_a_process_a_step_finds_the_same_in_a_store_of_objects(folder, in_one_process, in_objects, tmp_path):
    assert judged(folder, tmp_path, "multiprocess", in_objects) == in_one_process


@pytest.mark.parametrize("executor", ["in_process", "multiprocess", "celery"])
def test_a_batch_in_parts_finds_the_same_under_each(folder, in_one_process, executor, tmp_path, monkeypatch):
    with closing(socket.socket()) as probe:
        if executor == "celery" and probe.connect_ex(REDIS):
            pytest.skip("no Redis answers on the loopback")
    monkeypatch.setenv("IMAGEWORKS_PART_PHOTOS", "2")
    with celery_worker(tmp_path, None) if executor == "celery" else nullcontext():
        assert judged(folder, tmp_path, executor) == in_one_process

    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        (run,) = instance.get_runs()
        steps = {stats.step_key for stats in instance.get_run_step_stats(run.run_id)}
    for stage in ("judge__signals", "judge__critiques"):
        kinds = ("divide", "part[1_of_2]", "part[2_of_2]", "gather")
        assert {f"{stage}.{kind}" for kind in kinds} <= steps


def test_a_celery_worker_finds_the_same_in_a_store_of_objects(folder, in_one_process, in_objects, tmp_path):
    with closing(socket.socket()) as probe:
        if probe.connect_ex(REDIS):
            pytest.skip("no Redis answers on the loopback")
    with celery_worker(tmp_path, in_objects):
        assert judged(folder, tmp_path, "celery", in_objects) == in_one_process


class Broker:
    """A Redis of a test's own, that keeps nothing on the disk."""

    def __init__(self, place):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(place)]
        self.start()

    def start(self):
        self._process = subprocess.Popen([*self._command, "--save", ""], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis answers")

    def end(self):
        self._process.kill()
        self._process.wait()

    def _answers(self):
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def broker(tmp_path):
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server is installed")
    started = Broker(tmp_path)
    yield started
    started.end()


@pytest.mark.timeout(600)
def test_a_celery_worker_finds_the_same_when_its_broker_forgets_all_in_the_middle_and_is_away_for_a_while(
    folder, in_one_process, broker, tmp_path
):
    def in_the_middle():
        with StateDatabase.open(Settings(home=tmp_path / "home")) as database:

            def begun():
                with database.read() as connection:
                    return connection.execute(select(step_claims)).first()

            wait_until(begun, "a step is begun", within_s=120)
            broker.end()
            # Its worker ends it meanwhile, and has nobody to tell.
            wait_until(lambda: begun().over, "it is over", within_s=120)
        broker.start()

    with celery_worker(tmp_path, None, broker.url):
        disturber = threading.Thread(target=in_the_middle)
        disturber.start()
        assert judged(folder, tmp_path, "celery", broker=broker.url) == in_one_process
        disturber.join()


def test_a_run_whose_step_is_taken_by_a_worker_with_a_home_of_its_own_fails_and_says_so(folder, tmp_path):
    with closing(socket.socket()) as probe:
        if probe.connect_ex(REDIS):
            pytest.skip("no Redis answers on the loopback")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with celery_worker(elsewhere, None):
        done = subprocess.run(
            [sys.executable, "-m", "judging_run", folder],
            env=environment(tmp_path, "celery", None),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr[-4000:]
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        said = [str(entry.dagster_event or entry.message) for entry in instance.all_logs(done.stdout)]
    assert any(f"{elsewhere / 'home'}, is another than that of run {done.stdout}" in one for one in said)
