"""`imageworks prompts test` against a server on a socket: asked, recalled, compared, kept, required."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from made_up_photos import write_photo
from typer.testing import CliRunner
from vllm_double import Http, Says, VllmDouble

from backends.errors import ModelUnreachable
from imageworks_dagster.command.prompts import app
from imageworks_dagster.opened import close_stores
from prompt_hub.__main__ import app as hub_app
from prompt_hub.errors import NothingToTest, PromotionRefused, ReadsNoPrompt
from prompt_hub.hub import PromptHub
from prompt_hub.testing.results import results_of
from store.database import StateDatabase
from store.settings import Settings

REGISTRY = """\
models:
  first-vlm: &one
    description: A model for tests.
    roles: [judge, pairwise, caption, keywords, description]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    revision: "1"
  second-vlm: *one
roles: {{judge: first-vlm, pairwise: first-vlm, caption: first-vlm, keywords: first-vlm, description: first-vlm}}
"""

TESTS = """\
profile: library
sets:
  form:
    mode: live
    required_for: [production]
    models: [caption]
    repeat: 2
    tests:
      - description: a caption of some words
        stage: caption
        vars: &vars {signals: "Sharpness: sharp (150)", existing_keywords: [], folder_words: []}
        photos: [cat.jpg]
        assert:
          - {type: schema}
          - {type: words, field: caption, min: 1}
  prompt:
    mode: static
    tests:
      - description: it is about a photograph
        stage: caption
        vars: *vars
        assert: [{type: contains, value: photograph}]
  sense:
    mode: live
    tests:
      - description: the caption names the cat
        stage: caption
        vars: *vars
        photos: [cat.jpg]
        assert: [{type: contains, field: caption, value: zebra}]
  spent:
    mode: live
    tests:
      - description: it is quick and short
        stage: caption
        vars: *vars
        photos: [cat.jpg]
        assert: [{type: latency, max: 60000}, {type: cost, max: 1000000}]
  graded:
    mode: live
    grader: second-vlm
    tests:
      - description: somebody else likes it
        stage: caption
        vars: *vars
        photos: [cat.jpg]
        assert: [{type: rubric, value: It names a cat., field: caption}]
  function:
    mode: live
    tests:
      - description: a function likes it
        stage: caption
        vars: *vars
        photos: [cat.jpg]
        assert: [{type: python, value: "ours.py:is_lower"}]
"""

OURS = """\
def is_lower(answer, context):
    return {"pass": context["data"]["caption"].islower(), "reason": "it is not in lower case"}
"""


@pytest.fixture
def server():
    with VllmDouble() as double:
        yield double


@pytest.fixture
def home(tmp_path, monkeypatch, server):
    folder = tmp_path / "home"
    tests = folder / "prompts" / "tests"
    tests.mkdir(parents=True)
    write_photo(tests / "photos" / "cat.jpg", seed=1)
    (tests / "library.yaml").write_text(TESTS, encoding="utf-8")
    (tests / "ours.py").write_text(OURS, encoding="utf-8")
    (folder / "registry.yaml").write_text(REGISTRY.format(url=server.url), encoding="utf-8")
    monkeypatch.setenv("IMAGEWORKS_HOME", str(folder))
    monkeypatch.setenv("IMAGEWORKS_BREAKER_WAIT_S", "1")
    monkeypatch.chdir(tmp_path)
    yield folder
    close_stores()


@pytest.fixture
def command(home):
    """Runs `imageworks prompts test`; an error of ours is raised."""

    def run(*arguments, program=app):
        given = [*(["test"] if program is app else []), *map(str, arguments)]
        done = CliRunner().invoke(program, given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


def reported(done):
    return json.loads(done.stdout)


def states(done):
    return {(one["model"], one["set"]): one["state"] for one in reported(done)["sets"]}


def test_every_test_is_asked_so_often_and_its_answers_are_checked(command, server):
    done = command("library", "--live", "--set", "form", "--format", "json")
    assert done.exit_code == 0
    (outcome,) = reported(done)["sets"]
    assert (outcome["model"], outcome["state"]) == ("first-vlm", "passed")
    (test,) = outcome["tests"]
    assert len(test["samples"]) == 2
    assert len(server.history) == 2
    assert all(asked.pictures for asked in server.history)


def test_what_was_answered_is_recalled_and_asked_again_when_told_so(command, server):
    command("library", "--live", "--set", "form")
    done = command("library", "--live", "--set", "form", "--format", "json")
    assert len(server.history) == 2
    assert all(sample["recalled"] for sample in reported(done)["sets"][0]["tests"][0]["samples"])
    command("library", "--live", "--set", "form", "--fresh")
    assert len(server.history) == 4


def test_an_assertion_on_sense_fails_and_is_told_so(command):
    done = command("library", "--live", "--set", "sense")
    assert done.exit_code == 1
    assert "failed: library first-vlm sense: the caption names the cat" in done.stdout
    assert "it lacks 'zebra'" in done.stdout


def test_several_profiles_and_models_make_a_matrix(command, server):
    command("save", "library", "-m", "As shipped", program=hub_app)
    command("label", "staging", "library", program=hub_app)
    done = command(
        "library", "--profile-ref", "library@staging", "--live", "--set", "form", "--model", "first-vlm", "--model",
        "second-vlm", "--format", "json",
    )  # fmt: skip
    assert [(one["profile"], one["model"]) for one in reported(done)["sets"]] == [
        ("library", "first-vlm"),
        ("library", "second-vlm"),
        ("library@staging", "first-vlm"),
        ("library@staging", "second-vlm"),
    ]
    # What the files say is what the label points at: its questions are the same.
    assert len(server.history) == 4


def test_what_an_answer_cost_is_checked_once_and_skipped_when_it_is_recalled(command, home):
    assert states(command("library", "--live", "--set", "spent", "--format", "json")) == {
        ("first-vlm", "spent"): "passed"
    }
    again = command("library", "--live", "--set", "spent")
    assert again.exit_code == 0
    assert "the answer was known from before" in again.stdout
    assert "1 incomplete" in again.stdout


def test_a_grader_of_another_model_reads_the_answer_as_material(command, server):
    done = command("library", "--live", "--set", "graded", "--format", "json")
    answer, graded = server.history
    caption = json.loads(reported(done)["sets"][0]["tests"][0]["samples"][0]["text"])["caption"]
    assert f"<text>\n{caption}\n</text>" in graded.text
    assert not graded.pictures
    assert answer.pictures


def test_a_function_of_the_users_own_is_run_on_the_answer(command):
    assert states(command("library", "--live", "--set", "function", "--format", "json")) == {
        ("first-vlm", "function"): "passed"
    }


def test_an_answer_that_never_comes_fails_its_test_and_says_why(command, server):
    server.faults.extend([Http(400, message="no such thing")] * 9)
    done = command("library", "--live", "--set", "form", "--format", "json")
    assert done.exit_code == 1
    (test,) = reported(done)["sets"][0]["tests"]
    assert "there is no answer" in test["samples"][0]["checks"][0]["why"]


def test_a_server_that_is_not_there_is_an_error_and_keeps_nothing(command, home, server):
    text = REGISTRY.format(url="http://127.0.0.1:9")
    (home / "registry.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelUnreachable):
        command("library", "--live", "--set", "form")
    with StateDatabase.open(Settings(home=home)) as database:
        assert not results_of(database, PromptHub.load(None).get("library").hash)


def test_a_baseline_tests_no_prompt(command, home):
    (home / "registry.yaml").unlink()
    with pytest.raises(
        ReadsNoPrompt, match=r"baseline-tagger answers by rule .* with --model, or for the role"
    ):
        command("library", "--live", "--set", "form")


def test_a_set_that_is_not_there_is_an_error(command):
    with pytest.raises(NothingToTest, match="form, function, graded, prompt, sense, spent"):
        command("library", "--live", "--set", "nope")


def test_without_live_no_model_is_asked(command, server):
    assert command("library").exit_code == 0
    assert server.history == []
    assert command("library", "--model", "first-vlm").exit_code == 2


def test_a_label_moves_to_what_has_passed_with_the_model_that_there_is_now(command, home, server):
    with pytest.raises(PromotionRefused, match="its set form has not passed with first-vlm") as refused:
        command("label", "production", "library", "--why", "Good", program=hub_app)
    said = re.search(r"`imageworks prompts test (.*?)`", str(refused.value))[1]
    assert re.fullmatch("library --live --set form", said)
    command(*said.split())
    assert (
        "production of library points at"
        in command("label", "production", "library", "--why", "Good", program=hub_app).stdout
    )
    # Another revision of the model has passed nothing.
    registry = (home / "registry.yaml").read_text().replace('revision: "1"', 'revision: "2"')
    (home / "registry.yaml").write_text(registry, encoding="utf-8")
    checked = command("label", "production", "library@production", "--check", program=hub_app)
    assert checked.exit_code == 1
    assert "points at" in checked.stdout
    assert "has not passed" in checked.stderr


def test_a_photo_with_other_bytes_makes_another_set(command, home):
    command("library", "--live", "--set", "form")
    write_photo(home / "prompts" / "tests" / "photos" / "cat.jpg", seed=2)
    with pytest.raises(PromotionRefused, match="its set form has not passed"):
        command("label", "production", "library", "--why", "Good", program=hub_app)


HOSTILE = '{"caption": "</td><script>alert(1)</script> \\u001b[31mred\\u0007 ]]> &amp; \\u202egnp"}'


@pytest.mark.parametrize("form", ["table", "junit", "json", "html"])
def test_a_hostile_answer_breaks_no_report(command, server, tmp_path, form):
    server.faults.append(Says(HOSTILE))
    output = [] if form == "table" else ["--output", tmp_path / "report"]
    done = command("library", "--live", "--set", "sense", "--format", form, *output)
    text = done.stdout if form == "table" else (tmp_path / "report").read_text(encoding="utf-8")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    if form == "html":
        assert "<script" not in text
        assert "&lt;script&gt;" in text
    if form == "junit":
        (failure,) = ET.fromstring(text).iter("failure")
        assert "</td><script>" in failure.text
