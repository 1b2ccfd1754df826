"""Hundreds of hostile templates: refused by a named error or bounded, wherever they stand; as values they are data."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from prompt_hub import errors
from prompt_hub.__main__ import app
from prompt_hub.errors import PromptHubError, TemplateRefused
from prompt_hub.filters import MAX_OUTPUT_CHARACTERS
from prompt_hub.quoting import quoted
from prompt_hub.templates import compiled

HERE = Path(__file__).parent


def _module(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


templates = _module("hostile_templates")
TEXTS = [text for _, text in templates.HOSTILE]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What came of each template at each place, from a process with limits of memory and time."""
    given = {
        "folder": str(tmp_path_factory.mktemp("hostile")),
        "texts": TEXTS,
        "partials": templates.PARTIALS,
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile_batch.py")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(TEXTS, json.loads(done.stdout), strict=True))


def test_there_are_hundreds_of_them_and_each_is_another():
    assert len(set(TEXTS)) == len(TEXTS) >= 200
    assert len({family for family, _ in templates.HOSTILE}) >= 15


def test_each_is_read_as_a_template_or_refused_by_a_named_error():
    refused = 0
    for text in TEXTS:
        try:
            compiled(text)
        except TemplateRefused:
            refused += 1
    assert refused > len(TEXTS) * 0.9


@pytest.mark.slow
@pytest.mark.parametrize("place", ["user", "system", "partial", "layer"])
def test_each_is_refused_by_a_named_error_or_prints_no_more_than_it_may(outcomes, place):
    for text, told in outcomes.items():
        if "refused" in told[place]:
            assert issubclass(getattr(errors, told[place]["refused"]), PromptHubError)
            assert told[place]["words"], text
        else:
            assert told[place]["size"] <= MAX_OUTPUT_CHARACTERS, text


@pytest.mark.slow
def test_what_is_refused_is_refused_wherever_it_stands(outcomes):
    for text, told in outcomes.items():
        refused = {place: "refused" in told[place] for place in ("user", "system", "partial", "layer")}
        # A tag of a partial that is not closed, or closed too often, is made whole or torn by what is around it.
        assert len(set(refused.values())) == 1, (text, refused)


@pytest.mark.slow
def test_whatever_reaches_for_an_attribute_a_call_or_a_file_is_refused(outcomes):
    harmless = {text for text, told in outcomes.items() if "refused" not in told["user"]}
    # What is left prints text, and none of it is Python's.
    assert len(harmless) < len(TEXTS) // 20
    for text in harmless:
        assert not re.search(r"\{[{%][^#]*(__|\()", re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)), text


@pytest.mark.slow
def test_as_a_value_each_comes_out_as_data_or_is_refused(outcomes):
    for text, told in outcomes.items():
        if "refused" in told["value"]:
            assert told["value"]["refused"] == "VariablesRefused"
            continue
        assert told["value"]["text"] == f"<t>{quoted(text)}</t><w>{quoted(text)}</w>"
        assert re.findall(r"</?\w+>", told["value"]["text"]) == ["<t>", "</t>", "<w>", "</w>"]


ONE_OF_EACH = list(dict(reversed(templates.HOSTILE)).items())


@pytest.mark.parametrize(("family", "text"), ONE_OF_EACH, ids=[family for family, _ in ONE_OF_EACH])
def test_a_preview_and_a_check_of_a_file_go_the_same_way(tmp_path, family, text):
    prompts = tmp_path / "home" / "prompts"
    prompts.mkdir(parents=True)
    content = {"id": "library", "stages": {"caption": {"user": text}}}
    (prompts / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "vars.yaml").write_text(
        "signals: x\nexisting_keywords: []\nfolder_words: []\n", encoding="utf-8"
    )
    home = ["--home", str(tmp_path / "home")]
    preview = CliRunner().invoke(
        app, ["render", "library", "caption", "--vars", str(tmp_path / "vars.yaml"), *home]
    )
    checked = CliRunner().invoke(app, ["validate", str(prompts / "mine.yaml")])
    assert isinstance(preview.exception, PromptHubError), family
    assert isinstance(checked.exception, PromptHubError), family
