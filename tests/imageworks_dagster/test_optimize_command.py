"""`imageworks prompts optimize` against a server on a socket, where a better prompt is known."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest
from judging_double import GOOD, JudgingDouble
from typer.testing import CliRunner

from backends.errors import ModelUnreachable
from imageworks_dagster.command.prompts import app
from imageworks_dagster.opened import close_stores
from prompt_hub.errors import BadMetric, BudgetTooSmall, NothingToChange, OptimizerMissing, WouldOverwrite
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.store import PromptStore
from store.database import StateDatabase
from store.settings import Settings

# Whole batches.
pytestmark = pytest.mark.slow

REGISTRY = """\
models:
  a-judge:
    description: A model for tests.
    roles: [judge]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    revision: "1"
roles: {{judge: a-judge}}
"""

PROFILE = """\
id: marks
application: base
partials:
  manner: You are fair.
stages:
  critique:
    images: 0
    system: |
      You judge photographs. {% include "manner" %}
    user: |
      <signals>{{ signals }}</signals>
      Give a mark.
    variables: {signals: {schema: {type: string}}}
    parameters: {temperature: 0.1, max_output_tokens: 200}
    output:
      type: object
      additionalProperties: false
      required: [critique, score]
      properties: {critique: {type: string}, score: {type: integer, minimum: 0, maximum: 20}}
"""


@pytest.fixture
def server():
    with JudgingDouble() as double:
        yield double


@pytest.fixture
def home(tmp_path, monkeypatch, server):
    folder = tmp_path / "home"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "marks.yaml").write_text(PROFILE, encoding="utf-8")
    (folder / "registry.yaml").write_text(REGISTRY.format(url=server.url), encoding="utf-8")
    rows = [
        {"signals": f"Quality: {mark}", "score": mark} for mark in (3, 17, 8, 12, 19, 5, 14, 10, 1, 16, 7, 20)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    monkeypatch.setenv("IMAGEWORKS_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    yield folder
    close_stores()


@pytest.fixture
def optimize(home):
    """Runs the command; an error of ours is raised."""

    def run(*arguments, budget=60, seed=1, metric="mae"):
        given = [
            "optimize", "marks", "--stage", "critique", "--data", "labels.jsonl", "--metric", metric, "--model",
            "judge", "--budget", budget, "--seed", seed, "--holdout", 0.25, *arguments,
        ]  # fmt: skip
        done = CliRunner().invoke(app, [str(one) for one in given])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture
def kept(home):
    """The revisions of the profile, the newest first."""

    def read():
        with StateDatabase.open(Settings(home=home)) as database:
            return PromptStore.over(database).revisions.history("marks")

    return read


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_better_prompt_is_found_within_sixty_requests(optimize, kept, server, seed):
    server.salt = seed
    done = optimize(seed=seed)
    assert done.exit_code == 0
    assert len(server.history) <= 60
    best = kept()[0]
    said = best.profile.stage("critique")
    assert all(sentence in said.system + said.user for sentence in GOOD)
    assert best.lineage["scores"]["held_out"][1] == 1.0
    assert best.lineage["scores"]["held_out"][0] < 0.9
    assert best.lineage["requests"]["made"] == len(server.history)


def test_what_is_found_is_a_revision_with_its_lineage_and_no_label_moves(
    optimize, kept, server, home, tmp_path
):
    done = optimize("--output", tmp_path / "better.yaml")
    best, parent = kept()
    files = PromptHub.load(home / "prompts").get("marks")
    assert parent.hash == files.hash
    assert best.parents == (parent.hash,)
    lineage = best.lineage
    assert (lineage["parent"], lineage["seed"], lineage["budget"]) == (parent.hash, 1, 60)
    assert (lineage["data"]["examples"], lineage["data"]["held_out"]) == (12, 3)
    assert len(lineage["data"]["sha256"]) == 64
    assert lineage["candidates"][0]["parent"] is None
    assert sum(one["is_best"] for one in lineage["candidates"]) == 1
    assert f"marks@{best.hash[:12]}" in done.stdout
    again = PromptHub.load(None, files=[tmp_path / "better.yaml"]).get("marks")
    assert again.hash == best.hash
    with StateDatabase.open(Settings(home=home)) as database:
        assert not PromptStore.over(database).labels.of("marks")


def test_no_prompt_that_breaks_the_contract_is_asked_with(optimize, kept, server):
    server.salt = 3
    optimize()
    tasks = [one for one in server.history if "<field>" not in one.text]
    assert all("Quality:" in one.text for one in tasks)
    assert not any("<mood>" in json.dumps(one.body["messages"]) for one in tasks)
    reasons = " ".join(one["reason"] for one in kept()[0].lineage["refused"])
    assert "drops {{ signals }}" in reasons or "mood" in reasons or "cannot be read" in reasons
    told = [one.text for one in server.history if "<refused>" in one.text]
    assert told


def test_the_budget_is_never_exceeded_and_the_best_is_measured_all_the_same(optimize, server):
    done = optimize(budget=20)
    assert len(server.history) <= 20
    assert "held out (3 examples): " in done.stdout


def test_what_was_answered_before_costs_nothing(optimize, server):
    server.salt = 1
    optimize()
    asked = len(server.history)
    done = optimize()
    assert len(server.history) == asked
    assert "0 of 60 requests made" in done.stdout


def test_held_out_examples_are_never_shown_to_the_optimizer(optimize, server):
    optimize()
    reflections = [one.text for one in server.history if "<field>" in one.text]
    shown = {
        mark
        for mark in range(21)
        for text in reflections
        if f"Quality: {mark}\\" in text or f'Quality: {mark}"' in text
    }
    assert reflections
    assert len(shown) <= 9


def test_a_frozen_text_stays_as_it_is(optimize, kept, home):
    optimize("--freeze", "user", "--freeze", "partials")
    best, parent = kept()
    assert best.profile.stage("critique").user == parent.profile.stage("critique").user
    assert best.lineage["may_change"] == ["system"]


def test_demonstrations_are_tried_and_are_text(optimize, server, home):
    (home.parent / "labels.jsonl").write_text(
        "\n".join(
            json.dumps({"signals": f"Quality: {mark} {{{{ x }}}} </example>", "score": mark})
            for mark in (3, 17, 8, 12, 19, 5, 14, 10)
        )
    )
    optimize("--few-shot", "2")
    shown = [one for one in server.history if "# Examples" in json.dumps(one.body["messages"])]
    assert shown
    assert "{{ x }} &amp;lt;/example&amp;gt;" in shown[0].body["messages"][0]["content"]


def test_too_small_a_budget_a_bad_metric_and_a_frozen_stage_are_errors(optimize, server, home):
    with pytest.raises(BudgetTooSmall, match="more than 15"):
        optimize(budget=10)
    with pytest.raises(BadMetric, match="spearman, mae"):
        optimize(metric="bleu")
    with pytest.raises(BadMetric, match="keywords"):
        optimize(metric="keywords-f1")
    with pytest.raises(NothingToChange, match="frozen"):
        optimize("--freeze", "user", "--freeze", "system", "--freeze", "partials")
    with pytest.raises(WouldOverwrite):
        optimize("--output", "labels.jsonl")
    assert server.history == []


def test_an_interrupt_tells_the_best_so_far_and_keeps_nothing(optimize, kept, server, monkeypatch):
    server.salt = 1
    asked = server._proposal

    def interrupted(said):
        if len(server.proposed) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return asked(said)

    monkeypatch.setattr(server, "_proposal", interrupted)
    done = optimize()
    assert done.exit_code == 130
    assert "nothing is kept" in done.stderr
    assert kept() == []


def test_a_missing_optimizer_says_how_to_install_it(optimize, monkeypatch, server):
    monkeypatch.setitem(sys.modules, "gepa", None)
    with pytest.raises(OptimizerMissing, match="make optimizer"):
        optimize()
    assert server.history == []


def test_a_model_that_is_not_there_ends_the_search_with_its_error(optimize, kept, home):
    text = REGISTRY.format(url="http://127.0.0.1:9")
    (home / "registry.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelUnreachable):
        optimize()
    assert kept() == []
