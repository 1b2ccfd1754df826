"""The stack of the compose file, each service started as it says, without a Docker engine."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import psycopg
import pytest
from compose import read_compose
from sqlalchemy import select
from stack import PATIENCE_S, stack, two_databases
from supervised import wait_until

from imageworks_dagster.demo.making import make_demo
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from store.tables import kept_answers
from telemetry.catalog import connect

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

SERVICES = read_compose({})
RUNS = "{runsOrError{... on Runs{results{status jobName runId}}}}"
ASK = """
import sys, urllib.error, urllib.request
key = open("/run/secrets/gateway_key").read()
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
request = urllib.request.Request(sys.argv[1], sys.argv[2].encode() or None, headers)
try:
    print(urllib.request.urlopen(request).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"{error}: {error.read().decode()}")
"""


CHAT = {"messages": [{"role": "user", "content": "What is light?"}]}


@pytest.fixture
def running(tmp_path, request):
    """The stack, with variables of a test's own beside those of the compose file."""
    more = getattr(request, "param", {})
    with (
        two_databases(f"stack_{uuid4().hex[:12]}") as databases,
        stack(tmp_path, databases, IMAGEWORKS_INBOX_QUIET_S="0", **more) as services,
    ):
        yield services


def in_order(*profiles):
    """The services of these profiles, each after what it depends on; PostgreSQL is there."""
    wanted = [one for one in SERVICES.values() if not one.profiles or one.profiles & set(profiles)]
    started = {"postgres"}
    while left := [one for one in wanted if one.name not in started]:
        ready = [one for one in left if started.issuperset(one.after)]
        assert ready, f"these wait for one another: {[one.name for one in left]}"
        for one in ready:
            yield one
            started.add(one.name)


def asked(services, url, body=""):
    return services.run(SERVICES["imageworks-gateway"], "python", "-c", ASK, url, body)


def start_in_order(services, *profiles):
    """Start what the profiles have; the names in the order of their start, in which each was healthy."""
    order = [service for service in in_order(*profiles) if service.name != "postgres"]
    for service in order:
        # The image of Ollama is not ours: its command stands nowhere here.
        services.start(service, ("ollama", "serve") if service.name == "imageworks-ollama" else None)
    names = [service.name for service in order]
    assert services.healthy == names
    return names


def judge_the_demo(services, root):
    """Drop the demo's round into the inbox, and wait until it is judged."""
    folders = make_demo(root / "demo")
    (root / "photos" / "inbox" / "judge").mkdir(parents=True)
    folders.judge.rename(root / "photos" / "inbox" / "judge" / "spring")
    query = json.dumps({"query": RUNS})
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = json.loads(asked(services, "http://imageworks-web:3000/graphql", query))
        runs = [one for one in answer["data"]["runsOrError"]["results"] if one["jobName"] == "judge"]
        if runs and runs[0]["status"] in {"SUCCESS", "FAILURE"}:
            break
        assert time.monotonic() < deadline, f"the round is not judged: {answer}"
        # Each look is a program of its own, on the cores that judge.
        time.sleep(2)
    assert runs[0]["status"] == "SUCCESS", (root / "imageworks-code.log").read_text()[-4000:]


def selected(services, sql):
    url = "http://imageworks-gateway:8700/v1/telemetry/query"
    return json.loads(asked(services, url, json.dumps({"sql": sql})))["rows"]


def stop_in_turn(services, names):
    ended = {name: services.stop(name) for name in reversed(names)}
    assert set(ended.values()) <= {0, 130, 143, -15, -2}, ended


def test_postgresql_takes_the_settings_that_it_is_started_with(postgresql_url):
    settings = SERVICES["postgres"].command[1:]
    # Each may be given for one connection too.
    with psycopg.connect(postgresql_url, options=" ".join(settings)) as connection:
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("5",)
        assert connection.execute("SHOW client_connection_check_interval").fetchone() == ("5s",)


def test_it_comes_up_in_order_judges_a_round_and_stops_when_it_is_told_to(running, tmp_path):
    order = start_in_order(running, "cpu")
    judge_the_demo(running, tmp_path)
    models = json.loads(asked(running, "http://imageworks-gateway:8700/v1/models"))
    assert "qwen2.5-vl-7b" in {one["id"] for one in models["data"]}
    assert selected(running, "SELECT count(*) AS n FROM judge_results") == [[20]]
    stop_in_turn(running, order)


@pytest.mark.parametrize("running", [{"IMAGEWORKS_EXECUTOR": "celery"}], indirect=True)
def test_servers_that_share_a_card_and_workers_judge_a_round_and_stop_without_losing_an_event(
    running, tmp_path
):
    with (tmp_path / "kept" / "registry.yaml").open("a", encoding="utf-8") as registry:
        registry.write("roles: {judge: qwen2.5-vl-7b, pairwise: gemma3-12b}\n")
    order = start_in_order(running, "gpu-shared", "scale")
    # On a card of its own, vLLM is one of these.
    assert {one.name for one in in_order("gpu")} <= {"postgres", *order}
    judge_the_demo(running, tmp_path)
    assert selected(running, "SELECT count(*) AS n FROM judge_results") == [[20]]

    # The third one takes the whole card.
    chat = json.dumps({**CHAT, "model": "qwen2.5-vl-7b-trtllm"})
    assert json.loads(asked(running, "http://imageworks-gateway:8700/v1/chat/completions", chat))["choices"]
    answered = "SELECT DISTINCT provider FROM events WHERE status = 'ok' ORDER BY provider"
    # The gateway's queries see what is a few seconds old.
    wait_until(
        lambda: selected(running, answered) == [["ollama"], ["trtllm"], ["vllm"]],
        "the events of all three are there",
    )
    before = selected(running, "SELECT count(*) AS n FROM events")

    stop_in_turn(running, order)
    url = (tmp_path / "secrets" / "IMAGEWORKS_STATE_URL").read_text()
    settings = Settings(home=tmp_path / "kept", state_url=url)
    with StateDatabase.open(settings) as database, connect(Home.of(settings), database) as events:
        after = events.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchone()
        assert list(after) == before[0] * 2
        good = set(
            events.execute("SELECT request_digest, event_id FROM events WHERE status = 'ok'").fetchall()
        )
        with database.read() as connection:
            kept = connection.execute(select(kept_answers.c.request_digest, kept_answers.c.answered_by))
            assert {tuple(row) for row in kept} <= good
