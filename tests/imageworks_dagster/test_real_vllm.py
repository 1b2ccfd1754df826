"""The commands against a real vLLM server, as a photographer runs them: the demo's photos, a model of one's own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from real_vllm import compare_little, own_vllm
from relay import Relay

from imageworks_dagster.demo.making import DemoFolders, make_demo
from imageworks_dagster.pipelines import PIPELINES
from prompt_hub.hub import PromptHub
from store.home import Home
from store.settings import Settings
from telemetry.catalog import connect, view_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from real_vllm import RealVllm

# The first test waits for the server to start and for all answers: some minutes on two cores.
pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]

IMAGEWORKS = Path(sys.executable).with_name("imageworks")
MODEL = "tiny-vlm"
BATCH_S = 600
ENOUGH = 0.95
"""Share of the entries put to the model whose answer fits its schema; the weights are random."""

# The shape that docs/models.md shows for a vLLM server on this machine.
REGISTRY = """\
models:
  tiny-vlm:
    description: A small vision-language model on this machine.
    roles: [judge, pairwise, caption, keywords, description]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - name: local
        provider: vllm
        base_url: {url}
        served_model_id: {served}
    revision: "1"
"""

ASKING = {stage.asset: (pipeline, stage.asks) for pipeline in PIPELINES.values() for stage in pipeline.asking}
FIRST = {"judge": "judge/entries", "tagger": "tagger/photos"}


@dataclass(frozen=True)
class Photographer:
    """Somebody at a terminal, with a home folder, a ``registry.yaml`` in it, and the demo's photos."""

    home: Path
    photos: DemoFolders

    def names_server(self, url: str, *, served: str = MODEL) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "registry.yaml").write_text(REGISTRY.format(url=url, served=served), encoding="utf-8")

    def judges(self) -> subprocess.CompletedProcess[str]:
        with self.command(*self.judging) as process:
            return finished(process)

    def tags(self) -> subprocess.CompletedProcess[str]:
        with self.command("tag", self.photos.tag, "--model", MODEL) as process:
            return finished(process)

    @property
    def judging(self) -> tuple[object, ...]:
        return "judge", self.photos.judge, "--rules", self.photos.rules, "--model", MODEL

    def command(self, *arguments: object) -> subprocess.Popen[str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
        ours = {"IMAGEWORKS_HOME": str(self.home), "IMAGEWORKS_CONCURRENCY": "4", "COLUMNS": "200"}
        return subprocess.Popen(
            [str(IMAGEWORKS), *map(str, arguments)],
            env={**others, **ours, "IMAGEWORKS_BREAKER_WAIT_S": "5"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def select(self, query: str) -> list[dict[str, Any]]:
        with connect(Home.of(Settings(home=self.home))) as connection:
            rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
            return rows

    def report(self, pipeline: str) -> str:
        (found,) = (self.home / "reports" / pipeline).glob("*/report.html")
        return found.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Done:
    """A round that was judged and a shoot that was tagged; then both commands were given again.

    Attributes:
        first: How the first commands ended, by pipeline.
        again: How the second ones did.
        tables: The rows after the first commands, by asset.
    """

    photographer: Photographer
    first: Mapping[str, subprocess.CompletedProcess[str]]
    again: Mapping[str, subprocess.CompletedProcess[str]]
    tables: Mapping[str, list[dict[str, Any]]]

    def put_to_model(self, asset: str) -> list[dict[str, Any]]:
        rows = [row for row in self.tables[asset] if row["request_digest"] is not None]
        assert rows
        return rows


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        out, err = process.communicate(timeout=BATCH_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def said(ended: subprocess.CompletedProcess[str]) -> str:
    """All that the terminal showed, without the breaks of its lines."""
    return " ".join((ended.stdout + ended.stderr).split())


def free_url() -> str:
    """A URL at which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> DemoFolders:
    return make_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def photographer(tmp_path: Path, photos: DemoFolders) -> Photographer:
    return Photographer(tmp_path / "home", photos)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, photos: DemoFolders, real_vllm: RealVllm) -> Done:
    somebody = Photographer(tmp_path_factory.mktemp("photographer") / "home", photos)
    somebody.names_server(real_vllm.url, served=real_vllm.model)
    first = {"judge": somebody.judges(), "tagger": somebody.tags()}
    for ended in first.values():
        assert ended.returncode == 0, said(ended)
    tables = {
        asset: somebody.select(f"SELECT * FROM {view_name(asset)}") for asset in (*FIRST.values(), *ASKING)
    }
    again = {"judge": somebody.judges(), "tagger": somebody.tags()}
    return Done(somebody, first, again, tables)


@pytest.mark.parametrize("asset", ASKING)
def test_nearly_all_entries_put_to_the_model_have_an_answer_within_its_schema(done, asset):
    pipeline, asks = ASKING[asset]
    rows = done.put_to_model(asset)
    profile = PromptHub.load(None).get(pipeline.default_profile)
    schema = profile.stage(asks.profile_stage).output
    fits = Draft202012Validator(schema).is_valid
    good = [row for row in rows if fits({name: row[name] for name in schema["properties"]})]
    why = {row["error_class"] for row in rows if row["error_class"]}
    assert len(good) >= ENOUGH * len(rows), f"{len(good)} of {len(rows)}; {why}"
    assert all(row["error_class"] is None for row in good)
    assert {row["model"] for row in rows} == {MODEL}


@pytest.mark.parametrize("asset", ASKING)
def test_every_entry_has_its_answer_or_an_error_class_with_words(done, asset):
    pipeline, asks = ASKING[asset]
    result = {"critique": "score", "pairwise": "winner"}.get(asks.profile_stage)
    result = result or asks.profile_stage
    rows = done.tables[asset]
    for row in rows:
        assert (row[result] is None) == (row["error_class"] is not None)
        assert (row["error_class"] is None) == (row["error_message"] is None)
    if asset != "judge/playoff":
        entries = done.tables[FIRST[pipeline.name]]
        assert {row["entry_id"] for row in rows} == {entry["entry_id"] for entry in entries}


@pytest.mark.parametrize("asset", ASKING)
def test_every_answer_has_one_event_with_tokens_and_the_servers_own_times(done, asset):
    rows = done.put_to_model(asset)
    events = done.photographer.select(f"SELECT * FROM events WHERE stage = '{asset}'")
    by_id = {event["event_id"]: event for event in events}
    assert len(by_id) == len(events)
    for row in rows:
        event = by_id[row["answered_by"]]
        assert (event["provider"], event["deployment"]) == ("vllm", "local")
        assert event["input_tokens"] > 0
        assert event["output_tokens"] > 0
        # From the `metrics` block, whose clock starts when the request is scheduled.
        assert 0 < event["ttft_ms"] <= event["total_ms"]
        assert event["ttft_origin"] == "scheduled"
        assert event["queue_ms"] >= 0
        assert event["lease_wait_ms"] >= 0
        assert event["dropped_parameters"] == []


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_second_run_asks_nothing_of_what_was_kept(done, pipeline):
    assert done.again[pipeline].returncode == 0, said(done.again[pipeline])
    answered = done.photographer.select(
        f"SELECT request_digest, count(*) AS times FROM events WHERE stage LIKE '{pipeline}/%' AND status = 'ok' "
        f"GROUP BY ALL"
    )
    assert {one["times"] for one in answered} == {1}
    rows = [row for asset in ASKING if asset.startswith(pipeline) for row in done.put_to_model(asset)]
    if not any(row["error_class"] for row in rows):
        kept = f"No model was asked: all {len(rows)} answers of {MODEL} were kept from before."
        assert kept in said(done.again[pipeline])


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_the_report_names_the_model_and_bears_no_banner_of_a_baseline(done, pipeline):
    page = done.photographer.report(pipeline)
    opened = Opened()
    opened.feed(page)
    opened.close()
    assert opened.unclosed == []
    assert MODEL in opened.text
    assert 'class="banner"' not in page
    assert "baseline" not in opened.text.lower()
    # Random weights write control characters, which no page may hold.
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", page)


def test_a_wrong_served_model_id_ends_the_run_at_once_and_says_what_is_served(photographer, real_vllm):
    photographer.names_server(real_vllm.url, served="tiny-vml")
    ended = photographer.judges()
    assert ended.returncode == 1
    for words in (real_vllm.url, MODEL, "'tiny-vml'", f"it serves {real_vllm.model}", "served_model_id"):
        assert words in said(ended)
    assert photographer.select("SELECT * FROM events") == []


def test_a_server_that_was_not_started_ends_the_run_at_once_and_says_what_to_do(photographer):
    url = free_url()
    photographer.names_server(url)
    ended = photographer.tags()
    assert ended.returncode == 1
    for words in (url, MODEL, "Start the server", "base_url"):
        assert words in said(ended)
    assert "kept from before" not in said(ended)
    # Nothing stood in for it.
    assert not (photographer.home / "assets" / "tagger" / "captions").exists()


def test_a_server_that_is_killed_in_a_batch_leaves_what_was_answered_and_another_one_goes_on(
    real_vllm, tmp_path
):
    photographer = Photographer(tmp_path / "home", make_demo(tmp_path / "demo"))
    compare_little(photographer.photos.rules)
    # Four at once: when the eighth question comes, four were answered, and there are twelve critiques.
    with (
        own_vllm(tmp_path / "vllm.log") as server,
        Relay(server.url, questions=8, then=server.kill) as relay,
    ):
        photographer.names_server(relay.url, served=server.model)
        with photographer.command(*photographer.judging) as process:
            ended = finished(process)
        assert relay.cut
    assert ended.returncode == 1
    for words in (relay.url, MODEL, "What was answered is kept", "Start the server"):
        assert words in said(ended)
    assert "No stage that asks a model came to its end." in ended.stdout
    assert "retry_scheduled" not in said(ended)
    kept = photographer.select("SELECT event_id FROM events WHERE status = 'ok' AND answer_kept")
    # Answers that were on their way are lost with the server, those that came in are not.
    assert kept

    # An address is no part of a question: what the one answered, the other is not asked.
    photographer.names_server(real_vllm.url, served=real_vllm.model)
    ended = photographer.judges()
    assert ended.returncode == 0, said(ended)
    answered_once = photographer.select(
        "SELECT bool_and(times = 1) AS once "
        "FROM (SELECT count(*) AS times FROM events WHERE status = 'ok' GROUP BY request_digest)"
    )
    assert answered_once == [{"once": True}]
    rows = photographer.select("SELECT answered_by, recalled FROM judge_critiques WHERE recalled")
    assert {row["answered_by"] for row in rows} == {row["event_id"] for row in kept}


class Opened(HTMLParser):
    """A page as a browser takes it: its text, and the elements that were never closed."""

    VOID = frozenset({"img", "br", "hr", "meta", "link", "input", "source", "wbr", "col"})

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.unclosed: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.unclosed or self.unclosed[-1] not in {"style", "script"}:
            self.text += data
