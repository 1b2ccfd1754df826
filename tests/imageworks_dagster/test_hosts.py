"""Rounds judged by Celery's workers on three hosts, of which one is cut off and another dies in the middle.

`TEST_HOSTS=40x100` judges forty batches of a hundred photos; without it a few small ones are. Each stage of half of the
batches is one step, and of the others some steps that have a part of it each. Hosts are network namespaces of this
machine, each with a name; what they share is PostgreSQL, Redis, the model servers and the home.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from made_up_photos import write_photo
from own_postgresql import own_database
from sqlalchemy import select
from supervised import KEY_VARIABLE, wait_until, write_configuration
from worker_hosts import worker_hosts

from store.artifacts import TableStore
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from store.tables import kept_answers, step_claims
from telemetry.catalog import connect
from telemetry.compaction import compact
from telemetry.fsck import fsck

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(7200)]

DOUBLES = Path(__file__).parents[1] / "doubles"
BATCHES, PHOTOS = (int(number) for number in os.environ.get("TEST_HOSTS", "4x8").split("x"))
PATIENCE_S = 300 + 60 * BATCHES
WHOLE, PART_PHOTOS = 0, max(2, PHOTOS // 2)
REDIS, POSTGRESQL = 6379, 5432
CONCURRENCY = 2
MEMORY_MIB = 8000
KEY = "a-key-of-the-supervisors-of-this-test-alone"
# Either fits into the memory that there is said to be, and not both.
MODELS = {"first-vlm": 6000, "second-vlm": 3000}
REGISTRY = """\
devices:
  memory: {{kind: host, memory_mib: 8000}}
models:
  first-vlm: &model
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 256}}
    deployments:
      - {{name: here, provider: vllm, base_url: "{first-vlm}", devices: [memory], slots: 8, control_key_env: {key}}}
    footprint: {{vram_mib: 6000, source: made up}}
    revision: "1"
  second-vlm:
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 256}}
    deployments:
      - {{name: here, provider: vllm, base_url: "{second-vlm}", devices: [memory], slots: 8, control_key_env: {key}}}
    footprint: {{vram_mib: 3000, source: made up}}
    revision: "1"
roles: {{judge: first-vlm, pairwise: second-vlm}}
"""
DAGSTER = """\
telemetry: {enabled: false}
storage: {postgres: {postgres_url: {env: DAGSTER_STORAGE_URL}}}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
CRITIQUES = "judge__critiques"


class Club:
    """What the hosts share, and what came of it."""

    def __init__(self, root: Path, state_url: str, log: Path) -> None:
        self.root = root
        self.log = log
        self.settings = Settings(home=root / "home", state_url=state_url)
        self.home = Home.of(self.settings).create()
        self.database = StateDatabase.open(self.settings)

    def noted(self, what: str) -> list[dict]:
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["what"] == what]

    def at_work(self, host: str) -> set[tuple[str, str]]:
        """The asking steps that a host has in its hands now: run and step."""
        ours = step_claims.c.worker.endswith(f" on {host}") & step_claims.c.over.is_(False)
        with self.database.read() as connection:
            found = connection.execute(select(step_claims.c.run_id, step_claims.c.step).where(ours))
            return {(row.run_id, row.step) for row in found if row.step.startswith(CRITIQUES)}

    def asks(self, host: str) -> bool:
        """Whether a host is in the middle of asking: it has had an answer, which is kept."""
        if not self.at_work(host):
            return False
        told = "".join(path.read_text() for path in self.home.spool.glob(f"spool-{host}-*"))
        return any(f'"event_id":"{event}"' in told for event in self.kept().values())

    def starts(self) -> dict[tuple[str, str], int]:
        with self.database.read() as connection:
            return {(row.run_id, row.step): row.start for row in connection.execute(select(step_claims))}

    def kept(self) -> dict[str, str]:
        columns = select(kept_answers.c.request_digest, kept_answers.c.answered_by)
        with self.database.read() as connection:
            return {row.request_digest: row.answered_by for row in connection.execute(columns)}

    def events(self) -> list[tuple]:
        with connect(self.home, self.database) as connection:
            return connection.execute(
                "SELECT event_id, request_digest, status, host FROM events ORDER BY event_id"
            ).fetchall()


def address_of(url: str, address: str) -> str:
    return url.replace("127.0.0.1", address)


@contextmanager
def model_servers(root, address, log):
    """Two supervisors at the address with one model each, by model; in ``log`` their children tell what they do."""
    with ExitStack() as stack:
        urls = {}
        for model, memory_mib in MODELS.items():
            options = ["--model", model, "--log", log, "--memory-mib", memory_mib, "--latency", "1.5"]
            command = [sys.executable, DOUBLES / "logged_vllm.py", "--port", "{port}", *options]
            folder = root / model
            folder.mkdir()
            configuration = write_configuration(
                folder,
                {model: {"command": [str(one) for one in command], "drain_s": 20, "stop_s": 10}},
                device={"name": "memory", "kind": "host", "memory_mib": MEMORY_MIB},
                control_key_env=KEY_VARIABLE,
            )
            started = [sys.executable, "-m", "backends.services.supervisor", "--config", configuration]
            with (folder / "supervisor.log").open("wb") as output:
                process = subprocess.Popen(
                    [*map(str, started), "--host", address],
                    env={**os.environ, KEY_VARIABLE: KEY},
                    stdout=output,
                    stderr=output,
                )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            urls[model] = f"http://{address}:{json.loads(configuration.read_text())['port']}"
        for url in urls.values():
            wait_until(lambda url=url: answers(url), "a supervisor listens")
        yield urls


def answers(url):
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def dagster_url():
    with own_database() as url:
        yield url


@pytest.fixture
def folders(tmp_path):
    places = [tmp_path / "photos" / f"round-{number:02d}" for number in range(BATCHES)]
    for batch, place in enumerate(places):
        for number in range(PHOTOS):
            write_photo(place / f"Title {number} by Member {number:03d}.jpg", seed=1000 * batch + number)
    return places


@contextmanager
def batches_judged(folders, environment, place, log):
    """Two processes that judge the batches, those of the one whole and those of the other in parts."""
    runs = []
    try:
        for some, part_photos in ((folders[::2], WHOLE), (folders[1::2], PART_PHOTOS)):
            with log.open("ab") as output:
                runs.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "judging_many", "--at-once", "4", *map(str, some)],
                        env={**environment, "IMAGEWORKS_PART_PHOTOS": str(part_photos)},
                        cwd=place,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield runs
    finally:
        for run in runs:
            # Its batches are processes of their own.
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def ended(runs):
    """Whether all have ended, or one has failed."""
    codes = [run.poll() for run in runs]
    return any(codes) or None not in codes


def test_a_host_that_is_cut_off_and_one_that_dies_cost_no_batch_and_no_answer(  # noqa: PLR0915 - one story
    tmp_path, postgresql_url, dagster_url, folders
):
    with closing(socket.socket()) as probe:
        if probe.connect_ex(("127.0.0.1", REDIS)):
            pytest.skip("no Redis answers on the loopback")
    log = tmp_path / "asked.jsonl"
    with (
        worker_hosts(("alpha", "beta", "gamma"), (POSTGRESQL, REDIS)) as (address, hosts),
        model_servers(tmp_path, address, log) as urls,
    ):
        club = Club(tmp_path, postgresql_url, log)
        (club.home.root / "registry.yaml").write_text(
            REGISTRY.format(**urls, key=KEY_VARIABLE), encoding="utf-8"
        )
        dagster = tmp_path / "dagster"
        dagster.mkdir()
        (dagster / "dagster.yaml").write_text(DAGSTER, encoding="utf-8")
        environment = {
            **os.environ,
            "IMAGEWORKS_HOME": str(club.home.root),
            "DAGSTER_HOME": str(dagster),
            "IMAGEWORKS_STATE_URL": address_of(postgresql_url, address),
            "DAGSTER_STORAGE_URL": address_of(dagster_url, address).replace("://", "+psycopg2://"),
            "IMAGEWORKS_EXECUTOR": "celery",
            # A database of its own: whoever else uses this Redis begins at 0.
            "IMAGEWORKS_BROKER_URL": f"redis://{address}:{REDIS}/12",
            KEY_VARIABLE: KEY,
            "IMAGEWORKS_LEASES": "enforce",
            "IMAGEWORKS_LEASE_TTL_S": "10",
            "IMAGEWORKS_STEP_TTL_S": "30",
            "IMAGEWORKS_STEP_STARTS": "10",
            "IMAGEWORKS_CONCURRENCY": str(CONCURRENCY),
            "PYTHONPATH": str(DOUBLES),
        }
        celery = [str(Path(sys.executable).with_name("celery")), "-A", "imageworks_dagster.worker"]
        subprocess.run([*celery, "purge", "-f"], env=environment, check=True, capture_output=True)
        for host in hosts:
            host.start(
                [*celery, "worker", "--concurrency", "2", "--loglevel", "info"],
                env=environment,
                cwd=tmp_path,
                log=tmp_path / f"{host.name}.log",
            )
        said = tmp_path / "runs.log"
        with batches_judged(folders, environment, tmp_path, said) as runs:
            # Which of the three have the steps that ask is chance, and that two have some is not.
            asking = []

            def two_ask():
                asking[:] = [host for host in hosts if club.asks(host.name)]
                return len(asking) >= 2

            wait_until(lambda: two_ask() or ended(runs), "two hosts ask", within_s=PATIENCE_S)
            assert not ended(runs), said.read_text(errors="replace")[-4000:]
            away, dead = asking[:2]
            away.cut_off()
            dead.kill()
            lost = club.at_work(away.name) | club.at_work(dead.name)
            assert lost
            kept_then = club.kept()

            def elsewhere():
                starts = club.starts()
                return all(starts.get(step, 2) > 1 for step in lost)

            wait_until(lambda: elsewhere() or ended(runs), "others have their steps", within_s=PATIENCE_S)
            away.put_back()
            wait_until(lambda: ended(runs), "the batches are judged", within_s=PATIENCE_S)
        judged = said.read_text(errors="replace")
        assert [run.returncode for run in runs] == [0, 0], judged[-6000:]
        assert judged.count(" judged") == BATCHES

        # The one that was cut off knew it before anybody else had its steps.
        assert (
            "This process ends, and keeps what was answered." in (tmp_path / f"{away.name}.log").read_text()
        )
        for host in hosts:
            host.kill()

    tables = TableStore(club.home, club.database)
    for folder in folders:
        rows = tables.read("judge/results", folder.name).to_pylist()
        assert len(rows) == PHOTOS
        critiques = tables.read("judge/critiques", folder.name).to_pylist()
        assert {row["error_class"] for row in critiques} == {None}

    # What was asked twice had been in the air when its host was lost, or on its way to where answers are kept: there
    # it may have come after it was asked again, and the first that is kept stays.
    asked = club.noted("asked")
    question_of = {one["request_id"]: one["question"] for one in asked}
    times = Counter(question_of.values())
    assert {times[question_of[request]] for request in kept_then.values()} == {1}
    kept = club.kept()
    assert kept_then.items() <= kept.items()
    assert Counter(question_of[request] for request in kept.values()) == Counter(times.keys())

    # Every kept answer has one good event, and no event is told twice, in the spools and after they were merged.
    events = club.events()
    assert max(Counter(event for event, *_ in events).values()) == 1
    good = Counter((digest, event) for event, digest, status, _ in events if status == "ok")
    assert {answer: good[answer] for answer in kept.items()} == dict.fromkeys(kept.items(), 1)
    assert {host for *_, host in events} == {"alpha", "beta", "gamma"}
    compact(club.home)
    assert club.events() == events
    assert fsck(club.home).problems == ()

    # Never more memory than there is.
    there = Counter()
    for line in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        if line["what"] in {"came", "went"}:
            there[line["model"]] += 1 if line["what"] == "came" else -1
            assert sum(MODELS[model] * count for model, count in there.items()) <= MEMORY_MIB
    club.database.close()
