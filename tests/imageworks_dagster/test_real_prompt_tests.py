"""Prompt tests against a real vLLM server: the weights are random, so form holds and sense does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_up_photos import write_photo

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]

IMAGEWORKS = Path(sys.executable).with_name("imageworks")

REGISTRY = """\
models:
  tiny-vlm:
    description: A small vision-language model on this machine.
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: {served}}}
    revision: "1"
roles: {{caption: tiny-vlm}}
"""

TESTS = """\
profile: library
sets:
  form:
    mode: live
    required_for: [production]
    models: [caption]
    repeat: 3
    threshold: 0.6
    tests:
      - description: a caption of some words
        stage: caption
        vars: {signals: "Sharpness: sharp (150)", existing_keywords: [], folder_words: []}
        photos: [cat.jpg]
        assert:
          - {type: is-json}
          - {type: schema}
          - {type: length, field: caption, min: 1, max: 240}
          - {type: json-path, path: $.caption, max: 1}
  sense:
    mode: live
    repeat: 3
    tests:
      - description: the caption names the cat in English
        stage: caption
        vars: {signals: "Sharpness: sharp (150)", existing_keywords: [], folder_words: []}
        photos: [cat.jpg]
        assert:
          - {type: regex, field: caption, value: '(?i)\\bcats?\\b'}
          - {type: similar, field: caption, value: A ginger cat looks past the camera, threshold: 0.9}
"""


@pytest.fixture
def author(tmp_path, real_vllm):
    """Runs a program in a home folder with tests and a real model."""
    home = tmp_path / "home"
    tests = home / "prompts" / "tests"
    tests.mkdir(parents=True)
    write_photo(tests / "photos" / "cat.jpg", seed=1)
    (tests / "library.yaml").write_text(TESTS, encoding="utf-8")
    text = REGISTRY.format(url=real_vllm.url, served=real_vllm.model)
    (home / "registry.yaml").write_text(text, encoding="utf-8")
    others = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}

    def run(*arguments):
        return subprocess.run(
            [*map(str, arguments)],
            env={**others, "IMAGEWORKS_HOME": str(home), "IMAGEWORKS_CONCURRENCY": "3"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    return run


def test_form_passes_sense_fails_and_a_label_moves_by_what_passed(author):
    hub = (sys.executable, "-m", "prompt_hub")
    refused = author(*hub, "label", "production", "library", "--why", "Good")
    assert "its set form has not passed with tiny-vlm" in refused.stderr

    live = (IMAGEWORKS, "prompts", "test", "library", "--live", "--format", "json")
    form = author(*live, "--set", "form")
    assert form.returncode == 0, form.stdout + form.stderr
    (outcome,) = json.loads(form.stdout)["sets"]
    assert (outcome["model"], outcome["state"], len(outcome["tests"][0]["samples"])) == (
        "tiny-vlm",
        "passed",
        3,
    )

    sense = author(*live, "--set", "sense")
    assert sense.returncode == 1
    (outcome,) = json.loads(sense.stdout)["sets"]
    samples = outcome["tests"][0]["samples"]
    # The same questions as before: nothing is asked twice.
    assert all(sample["recalled"] for sample in samples if sample["text"])
    assert outcome["state"] == "failed"
    told = author(IMAGEWORKS, "prompts", "test", "library", "--live", "--set", "sense").stdout
    assert "failed: library tiny-vlm sense: the caption names the cat in English" in told

    author(*hub, "test", "library", "--set", "prompt")
    moved = author(*hub, "label", "production", "library", "--why", "Good")
    assert moved.returncode == 0, moved.stderr
