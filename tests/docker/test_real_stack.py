"""The stack of the compose file, each service started as it says, without a Docker engine."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pytest
from compose import read_compose
from stack import PATIENCE_S, stack, two_databases

from imageworks_dagster.demo.making import make_demo

pytestmark = [pytest.mark.real, pytest.mark.slow]

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


@pytest.fixture
def running(tmp_path):
    with (
        two_databases(f"stack_{uuid4().hex[:12]}") as databases,
        stack(tmp_path, databases, IMAGEWORKS_INBOX_QUIET_S="0") as services,
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


def test_it_comes_up_in_order_judges_a_round_and_stops_when_it_is_told_to(running, tmp_path):
    order = [service for service in in_order("cpu") if service.name != "postgres"]
    for service in order:
        running.start(service)
    assert running.healthy == [service.name for service in order]

    folders = make_demo(tmp_path / "demo")
    (tmp_path / "photos" / "inbox" / "judge").mkdir(parents=True)
    folders.judge.rename(tmp_path / "photos" / "inbox" / "judge" / "spring")
    query = json.dumps({"query": RUNS})
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = json.loads(asked(running, "http://imageworks-web:3000/graphql", query))
        runs = [one for one in answer["data"]["runsOrError"]["results"] if one["jobName"] == "judge"]
        if runs and runs[0]["status"] in {"SUCCESS", "FAILURE"}:
            break
        assert time.monotonic() < deadline, f"the round is not judged: {answer}"
        time.sleep(0.5)
    assert runs[0]["status"] == "SUCCESS"

    models = json.loads(asked(running, "http://imageworks-gateway:8700/v1/models"))
    assert "qwen2.5-vl-7b" in {one["id"] for one in models["data"]}
    judged = json.loads(
        asked(
            running,
            "http://imageworks-gateway:8700/v1/telemetry/query",
            json.dumps({"sql": "SELECT count(*) AS n FROM judge_results"}),
        )
    )
    assert judged["rows"] == [[20]]

    ended = {service.name: running.stop(service.name) for service in reversed(order)}
    assert set(ended.values()) <= {0, 130, 143, -15, -2}, ended
