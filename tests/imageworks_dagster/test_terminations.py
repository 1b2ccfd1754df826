"""Runs ended by people: the web UI's *Terminate* in every stage, Ctrl-C and SIGTERM to the command."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest
import soak
from dagster import DagsterRunStatus
from durable_home import (
    DurableHome,
    HoldingDouble,
    question,
    questions_of,
    write_heavy_round,
    write_round,
    write_shoot,
)
from web_ui import free_port, serving, until

from imageworks_dagster.pipelines import JUDGE, PIPELINES, TAGGER
from photos.identity import photo_id
from photos.metadata.reading import read_metadata

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STAGES = [stage.asset for pipeline in (JUDGE, TAGGER) for stage in pipeline.stages]
ASKING = {stage.asset for pipeline in (JUDGE, TAGGER) for stage in pipeline.asking}
# One that measures, one that asks, one that publishes and one that writes into files; under --soak, every one.
TERMINATED = STAGES if soak.FULL else ["judge/signals", "judge/critiques", "judge/results", "tagger/metadata"]
PHOTOS = 12
ANSWERED = 5
END_S = 10
"""Seconds in which a terminated run must have ended: a promise of the platform, not a bound of the test."""
WAIT_S = 120

WORKSPACE = """\
load_from:
  - python_file: {{relative_path: {location}, location_name: imageworks}}
"""
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
TERMINATE = """
mutation Terminate($run: String!) {
  terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) { __typename }
}
"""
STATUS = "query Status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class WebServer:
    """Dagster's web server, asked as its own pages ask it."""

    def __init__(self, client):
        self._client = client

    def ask(self, query, **variables):
        reply = self._client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in reply, reply
        return next(iter(reply["data"].values()))

    def launch(self, pipeline, batch, config):
        selector = {
            "repositoryLocationName": "imageworks",
            "repositoryName": "__repository__",
            "jobName": pipeline,
        }
        launched = self.ask(
            LAUNCH,
            params={
                "selector": selector,
                "runConfigData": {"ops": config},
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": batch}]},
            },
        )
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def terminate(self, run_id):
        assert self.ask(TERMINATE, run=run_id)["__typename"] == "TerminateRunSuccess"

    def status(self, run_id):
        return self.ask(STATUS, run=run_id)["status"]

    def ended(self, run_id):
        until(lambda: self.status(run_id) in ENDED, WAIT_S, f"run {run_id} has ended")
        return self.status(run_id)


@pytest.fixture(scope="module")
def double():
    with HoldingDouble() as started:
        yield started


@pytest.fixture(scope="module")
def durable(tmp_path_factory, double):
    made = DurableHome.make(tmp_path_factory.mktemp("terminations") / "home", double.url)
    os.mkfifo(made.root / "release")
    return made


@pytest.fixture(scope="module")
def web(durable):
    location = Path(__file__).parents[1] / "doubles" / "held_location.py"
    workspace = durable.root / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(location=location), encoding="utf-8")
    dagster = Path(sys.executable).with_name("dagster")
    port = free_port()
    command = [str(dagster), "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    durable.command("status")  # makes the home
    durable.home.dagster.mkdir(exist_ok=True)
    shipped = Path(__file__).parents[2] / "imageworks_dagster" / "dagster.yaml"
    (durable.home.dagster / "dagster.yaml").write_bytes(shipped.read_bytes())
    env = {**durable.environment, "DAGSTER_HOME": str(durable.home.dagster)}
    with (
        serving(command, port=port, env=env, cwd=durable.root) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield WebServer(client)


@pytest.fixture
def held(durable, double):
    """Holds a stage in its middle; gives what waits until it is there, and lets go at the end."""

    def hold(asset):
        if asset in ASKING:
            before, kept = len(double.history), len(durable.kept())
            double.hold(asset, after=ANSWERED)

            def is_there():
                # As many are kept as were answered, and others are in flight.
                return double.free < 0 and len(durable.kept()) - kept == sum(
                    asked.answered for asked in double.history[before:]
                )

        else:
            (durable.root / "held").unlink(missing_ok=True)
            (durable.root / "hold").write_text(asset, encoding="utf-8")
            is_there = (durable.root / "held").exists
        return lambda: until(is_there, WAIT_S, f"{asset} is under way")

    yield hold
    double.release()
    (durable.root / "hold").unlink(missing_ok=True)


def history_of(double):
    return [{"request_id": asked.request_id, "body": asked.body} for asked in double.history]


def assert_goes_on(durable, double, kept, asked_before):
    """What was kept at the interruption still is, and was not asked again since."""
    history = history_of(double)
    assert kept.items() <= durable.kept().items()
    asked = {question(one) for one in history[asked_before:]}
    assert not asked & questions_of(history, kept.values())
    durable.assert_accounts_are_right()


@pytest.mark.parametrize("asset", TERMINATED)
def test_a_run_terminated_in_the_web_ui_ends_canceled_in_10_s_and_the_next_goes_on(
    web, durable, double, held, asset
):
    pipeline = asset.split("/")[0]
    write = write_round if pipeline == "judge" else write_shoot
    folder = write(durable.root.parent / asset.replace("/", " "), PHOTOS, seed=1000 * STAGES.index(asset))
    batch = durable.register(pipeline, folder)
    stages = [stage.asset for stage in PIPELINES[pipeline].stages]
    model = {"config": {"model": "double-vlm"}}
    config = {stage.op_name: model for stage in PIPELINES[pipeline].asking}
    if pipeline == "tagger":
        config["tagger__metadata"] = {"config": {"action": "apply"}}
    reached = held(asset)

    run_id = web.launch(pipeline, batch, config)
    reached()
    kept, asked_before = durable.kept(), len(double.history)
    began = time.monotonic()
    web.terminate(run_id)
    status = web.ended(run_id)
    seconds = time.monotonic() - began

    assert status == "CANCELED"
    assert seconds < END_S
    manifest = durable.manifest(run_id)
    assert manifest.status == "canceled"
    done = stages[: stages.index(asset)]
    assert list(manifest.stages) == done
    assert [stage for stage in stages if durable.is_published(stage, batch)] == done
    assert kept.items() <= durable.kept().items()

    double.release()
    (durable.root / "hold").unlink(missing_ok=True)
    again = web.launch(pipeline, batch, config)
    assert web.ended(again) == "SUCCESS"
    assert durable.manifest(again).status == "ok"
    assert_goes_on(durable, double, kept, asked_before)
    assert all(durable.is_published(stage, batch) for stage in stages)
    print(f"{asset}: {seconds:.1f} s")  # noqa: T201 - shown with -s


def interrupt(process, number):
    """Send the signal as it is sent in life: Ctrl-C to the whole process group, SIGTERM to the process."""
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def interrupted(durable, started, number, reached):
    """Interrupt a command once ``reached``, and check that it ended cleanly; gives the command that goes on."""
    with started as process:
        reached()
        interrupt(process, number)
        began = time.monotonic()
        printed, complaints = process.communicate(timeout=WAIT_S)
        seconds = time.monotonic() - began
    assert process.returncode == 130, printed + complaints
    assert seconds < END_S
    assert "Traceback" not in printed + complaints
    assert "What was answered is kept; go on with:" in complaints
    manifest = durable.last_manifest()
    assert manifest.status == "canceled"
    assert durable.run_status(manifest.run_id) is DagsterRunStatus.CANCELED
    return shlex.split(complaints.splitlines()[-1])


def go_on(durable, resume):
    """Run the command that the interrupted one named."""
    assert resume[0] == "imageworks"
    durable.command(*resume[1:])
    manifest = durable.last_manifest()
    assert manifest.status == "ok"
    return manifest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_command_interrupted_between_answers_says_how_to_go_on_and_asks_nothing_twice(
    durable, double, held, tmp_path, number
):
    seed = 50_000 + 100 * number
    folder = write_round(tmp_path / f"Round {number.name}", PHOTOS, seed=seed)
    reached = held("judge/critiques")

    started = durable.start("judge", folder, "--model", "double-vlm")
    resume = interrupted(durable, started, number, reached)
    kept, asked_before = durable.kept(), len(double.history)
    assert list(durable.last_manifest().stages) == ["judge/entries", "judge/compliance", "judge/signals"]

    double.release()
    again = go_on(durable, resume)
    assert again.stages["judge/critiques"].recalled >= ANSWERED
    assert_goes_on(durable, double, kept, asked_before)


def test_a_command_interrupted_while_measuring_keeps_what_was_measured(durable, tmp_path):
    entries = 32
    folder = write_heavy_round(tmp_path / "Heavy Round", entries)
    before = durable.measured()

    started = durable.start("judge", folder, "--model", "double-vlm")
    resume = interrupted(
        durable,
        started,
        signal.SIGINT,
        lambda: until(lambda: durable.measured() > before, WAIT_S, "photos are measured"),
    )
    measured = durable.measured() - before

    assert 0 < measured < entries
    # Signals are measured on the decode that the detectors look at.
    assert list(durable.last_manifest().stages) == ["judge/entries"]
    again = go_on(durable, resume)
    assert again.stages["judge/signals"].ok == entries
    assert durable.measured() - before == entries


def test_a_command_interrupted_while_writing_metadata_harms_no_file(durable, tmp_path):
    folder = write_shoot(tmp_path / "Long Shoot", 120, seed=90_000)
    originals = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    pictures = {path: photo_id(path) for path in originals}
    before = durable.written()

    started = durable.start("tag", folder, "--model", "double-vlm", "--apply")
    resume = interrupted(
        durable,
        started,
        signal.SIGINT,
        lambda: until(lambda: durable.written() - before >= 3, WAIT_S, "photos are written into"),
    )
    tagged = {path for path, content in originals.items() if path.read_bytes() != content}

    assert 3 <= len(tagged) < len(originals)
    assert {path: photo_id(path) for path in originals} == pictures
    assert all(read_metadata(path).keywords for path in tagged)

    go_on(durable, resume)
    assert set(folder.iterdir()) == originals.keys()
    assert {path: photo_id(path) for path in originals} == pictures
    assert all(read_metadata(path).keywords for path in originals)
    assert durable.written() - before == len(originals)

    durable.command("tag", folder, "--undo")
    assert {path: path.read_bytes() for path in sorted(folder.iterdir())} == originals
