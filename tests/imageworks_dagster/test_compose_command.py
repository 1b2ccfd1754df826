"""`imageworks prompts compose` against a server on a socket: the questions that the assets ask, and their answers."""

from __future__ import annotations

import json
from collections import deque

import pytest
from at_terminal import complaint, imageworks
from typer.testing import CliRunner
from vllm_double import Http, Says, VllmDouble

from imageworks_dagster.command.prompts import app
from imageworks_dagster.tagging.questions import photo_variables
from prompt_hub.errors import ReadsNoPrompt, VariablesRefused

REGISTRY = """\
models:
  first-vlm:
    description: A model for tests.
    roles: [judge, pairwise, caption, keywords, description]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    revision: "1"
roles: {{judge: first-vlm, pairwise: first-vlm, caption: first-vlm, keywords: first-vlm, description: first-vlm}}
"""
ENTRY = {"title": "Heron", "category": "", "signals": "Sharpness: soft (42)", "rules_notes": ""}


@pytest.fixture
def server():
    with VllmDouble() as double:
        yield double


@pytest.fixture
def home(platform, server, monkeypatch):
    folder = platform.settings.home
    folder.mkdir(parents=True)
    (folder / "registry.yaml").write_text(REGISTRY.format(url=server.url), encoding="utf-8")
    monkeypatch.setenv("IMAGEWORKS_HOME", str(folder))
    return folder


@pytest.fixture
def compose(home, tmp_path):
    """Walks a composition for these inputs and photo; an error of ours is raised."""

    def run(name, inputs, photo, *options):
        file = tmp_path / "inputs.json"
        file.write_text(json.dumps(inputs), encoding="utf-8")
        shown = ["--photo", str(photo)] if photo else []
        done = CliRunner().invoke(app, ["compose", name, "--vars", str(file), *shown, *options])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, json.loads(done.stdout)

    return run


@pytest.mark.slow
def test_the_tagging_composition_asks_what_the_assets_ask_and_gives_what_they_give(
    platform, home, server, shoot_folder, compose
):
    # What models like to begin with is taken off before the caption goes into the next question.
    server.faults.append(Says('{"caption": "This image shows a cat on a wall."}'))
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch).success
    asked = len(server.history)
    rows = {
        asset: {row["entry_id"]: row for row in platform.rows(f"tagger/{asset}", batch)}
        for asset in ("photos", "captions", "keywords", "descriptions")
    }
    assert "A cat on a wall." in {row["caption"] for row in rows["captions"].values()}
    for entry_id, photo in rows["photos"].items():
        code, told = compose("tagging", photo_variables(photo), shoot_folder / photo["relative_path"])
        assert code == 0
        # Every answer is known by the digest of its request: messages, pictures, schema, parameters, model.
        assert [(step["node"], step["recalled"]) for step in told["steps"]] == [
            ("caption", True),
            ("keywords", True),
            ("description", True),
        ]
        assert [step["answered_by"] for step in told["steps"]] == [
            rows[asset][entry_id]["answered_by"] for asset in ("captions", "keywords", "descriptions")
        ]
        assert told["outputs"] == {
            "caption": rows["captions"][entry_id]["caption"],
            "keywords": rows["keywords"][entry_id]["keywords"],
            "description": rows["descriptions"][entry_id]["description"],
        }
    assert len(server.history) == asked


def test_a_critique_that_contradicts_is_revised_once(compose, server, shoot_folder):
    server.faults_by_text["Hold this critique"] = deque(
        [Says('{"reason": "It is called crisp.", "contradicts": true}')]
    )
    server.faults_by_text["Revise this critique"] = deque(
        [Says('{"critique": "Soft.", "improvement": "Wait."}')]
    )
    code, told = compose("checked-critique", ENTRY, next(iter(sorted(shoot_folder.iterdir()))))
    assert code == 0
    assert [step["node"] for step in told["steps"]] == ["critique", "check", "revision"]
    assert told["outputs"]["critique"] == "Soft."
    assert told["outputs"]["contradicted"] is True
    assert [len(asked.pictures) for asked in server.history] == [1, 0, 1]


def test_a_node_without_an_answer_fails_with_its_reason(compose, server, shoot_folder):
    server.faults.extend([Http(400, message="no such thing")] * 9)
    code, told = compose("checked-critique", ENTRY, next(iter(sorted(shoot_folder.iterdir()))))
    assert code == 1
    assert told["outputs"] is None
    assert told["failure"].startswith("critique has no answer: ")


def test_a_file_of_inputs_that_is_no_yaml_is_told_with_its_place(tmp_path):
    file = tmp_path / "inputs.yaml"
    file.write_text("signals: [openai:gpt-4o]\n", encoding="utf-8")
    said = imageworks(tmp_path / "home", "prompts", "compose", "tagging", "--vars", file)
    complaint(said, f"{file}:1: signals: not YAML", "put it in quotes")


def test_inputs_that_do_not_fit_and_models_that_read_no_prompt_are_refused(
    compose, home, server, shoot_folder
):
    with pytest.raises(VariablesRefused, match="of composition tagging do not fit"):
        compose("tagging", {"signals": 3}, None)
    (home / "registry.yaml").unlink()
    with pytest.raises(
        ReadsNoPrompt, match="Name a model that does: with `model` in the node caption, or for the role"
    ):
        compose(
            "tagging",
            {"signals": "x", "existing_keywords": [], "folder_words": []},
            next(shoot_folder.iterdir()),
        )
    assert server.history == []
