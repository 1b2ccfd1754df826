"""Profiles as promptfoo's configuration, and back."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import ChainableUndefined, Environment

from prompt_hub.errors import ImportRefused
from prompt_hub.exchange.promptfoo import to_promptfoo
from prompt_hub.exchange.promptfoo_reading import from_promptfoo
from prompt_hub.exchange.reading import SourceFolder
from prompt_hub.exporting import yaml_text
from prompt_hub.hub import PromptHub
from prompt_hub.quoting import quoted
from prompt_hub.rendering import render
from prompt_hub.schema import PromptProfile
from prompt_hub.testing.case_files import load_case_sets, read_case_file
from store.yaml_reading import parse_yaml

HUB = PromptHub.load(None)
SETS = load_case_sets(None)

CONFIG = """\
description: Names what is seen
prompts:
  - raw: |-
      [{"role": "system", "content": "You look at {{ Subject }}."},
       {"role": "user", "content": [
         {"type": "text", "text": "About {{topic | upper}}{% if hints %}: {{hints | join(', ')}}{% endif %}"},
         {"type": "image_url", "image_url": {"url": "{{photo}}"}}]}]
    label: Look closely
    config: {temperature: 0.3, max_tokens: 50, logprobs: true}
  - file://more/short.txt
providers:
  - id: openai:gpt
    config: {top_p: 0.5, apiBaseUrl: "http://example.org"}
defaultTest:
  vars: {Subject: photos}
  assert: [{type: latency, threshold: 9000}]
tests:
  - description: of the sea
    vars: {topic: sea, hints: [low, tide], long: "file://more/long.md"}
    options: {disableVarExpansion: true}
    assert:
      - {type: icontains, value: Sea}
      - {type: contains-any, value: [a.b, c]}
      - {type: javascript, value: output.length}
      - {type: llm-rubric, value: It names the sea.}
      - {type: is-json}
      - {type: regex, value: "(?=x)"}
  - vars: {topic: [one, two], hints: "", long: y}
    threshold: 0.5
    assert: [{type: equals, value: "1", weight: 2}]
  - vars: {topic: "{{ made }}", hints: x, long: z}
    assert: [{type: equals, value: "1"}]
scenarios: []
"""
MORE = {
    "more/short.txt": "Say {{topic}}: {{ long }}\n---\nSay it again, {{topic}}.\n",
    "more/long.md": "A long\ntext.\n",
}


def nunjucks(text, values):
    """Nunjucks, as near as Jinja2 comes: white space stays, and what is missing prints nothing."""
    made = Environment(undefined=ChainableUndefined, keep_trailing_newline=True)
    made.tests["null"] = made.tests["none"]
    return made.from_string(text).render(values)


@pytest.mark.parametrize("profile_id", [one for one in HUB.profiles if HUB.get(one).stages])
def test_an_exported_prompt_says_what_the_profile_says_on_its_own_tests(profile_id, tmp_path):
    profile, sets = HUB.get(profile_id), [one for one in SETS if one.profile_id == profile_id]
    text, losses = to_promptfoo(profile, sets)
    config = parse_yaml(text, "config")
    prompts = {prompt["label"]: json.loads(prompt["raw"]) for prompt in config["prompts"]}
    assert list(prompts) == list(profile.stages)
    assert all(f"# - {loss}" in text for loss in losses)
    for test in config["tests"]:
        (stage,) = test["prompts"]
        rendered = render(profile, stage, test["vars"])
        shown = {one["role"]: nunjucks(one["content"], test["vars"]) for one in prompts[stage]}
        if not any(quoted(value) != value for value in test["vars"].values() if isinstance(value, str)):
            assert (shown.get("system", "").strip(), shown["user"].strip()) == (
                rendered.system,
                rendered.user,
            )


@pytest.mark.parametrize("profile_id", [one for one in HUB.profiles if HUB.get(one).stages])
def test_a_profile_comes_back_with_the_same_words_schema_and_parameters(profile_id, tmp_path):
    profile, sets = HUB.get(profile_id), [one for one in SETS if one.profile_id == profile_id]
    text, _ = to_promptfoo(profile, sets)
    (tmp_path / "promptfooconfig.yaml").write_text(text, encoding="utf-8")
    back = from_promptfoo(
        SourceFolder(tmp_path / "promptfooconfig.yaml"), "back", profile.application, grader="judge"
    )
    again = PromptProfile.model_validate(back.profile)
    assert {name: stage.output for name, stage in again.stages.items()} == {
        name: stage.output for name, stage in profile.stages.items()
    }
    assert {name: stage.parameters for name, stage in again.stages.items()} == {
        name: stage.parameters for name, stage in profile.stages.items()
    }
    for one in back.cases["sets"].values():
        for case in one["tests"]:
            mine, theirs = (render(each, case["stage"], case["vars"]) for each in (profile, again))
            assert (mine.system, mine.user) == (theirs.system, theirs.user)


words = st.text(st.sampled_from("ab{}%# \n<&'\""), max_size=12)


@settings(deadline=None)
@given(
    words,
    st.lists(words, max_size=3),
    st.none() | st.integers(-5, 5),
    st.sampled_from(["", "Say. ", "\n  x\n"]),
)
def test_any_values_come_back_and_are_said_the_same(title, tags, count, lead):
    stage = {
        "system": f"{lead}Look.",
        "user": f"{lead}<t>{{{{ title }}}}</t>\n  {{% if tags %}}\n<l>{{{{ tags | join(', ') }}}}</l>\n  {{% else %}}"
        "none{% endif %}\n{% if count is none %}?{% else %}{{ count }}{% endif %}",
        "variables": {
            "title": {"schema": {"type": "string"}},
            "tags": {"schema": {"type": "array", "items": {"type": "string"}}},
            "count": {"schema": {"type": ["integer", "null"]}},
        },
        "output": {
            "type": "object",
            "additionalProperties": False,
            "required": ["caption"],
            "properties": {"caption": {"type": "string"}},
        },
    }
    profile = PromptProfile.model_validate(
        {"id": "made", "application": "base", "stages": {"caption": stage}}
    )
    values = {"title": title, "tags": tags, "count": count}
    test = {"description": "one", "stage": "caption", "vars": values, "assert": [{"type": "is-json"}]}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "made.yaml"
        file.write_text(yaml_text({"profile": "made", "sets": {"form": {"mode": "live", "tests": [test]}}}))
        text, _ = to_promptfoo(profile, read_case_file(file, by_user=True))
        config = Path(place) / "promptfooconfig.yaml"
        config.write_text(text, encoding="utf-8")
        back = from_promptfoo(SourceFolder(config), "back", "base")
    (case,) = back.cases["sets"]["promptfoo"]["tests"]
    assert case["vars"] == values
    again = render(PromptProfile.model_validate(back.profile), "caption", values)
    mine = render(profile, "caption", values)
    assert (again.system, again.user) == (mine.system, mine.user)


def test_a_configuration_becomes_stages_and_live_tests(source, said, losses, tmp_path):
    carried = from_promptfoo(source({"promptfooconfig.yaml": CONFIG, **MORE}), "seen", "base", grader="judge")
    assert list(carried.profile["stages"]) == ["look_closely", "short", "short_2"]
    look = carried.profile["stages"]["look_closely"]
    assert (look["images"], look["parameters"]) == (
        1,
        {"top_p": 0.5, "temperature": 0.3, "max_output_tokens": 50},
    )
    assert said(carried, {"subject": "photos", "topic": "sea", "hints": ["low", "tide"]}) == (
        "You look at photos.",
        "About SEA: low, tide",
    )
    assert said(carried, {"topic": "sea", "long": "A long\ntext."}, "short")[1] == "Say sea: A long\ntext."
    tests = carried.cases["sets"]["promptfoo"]
    assert tests["grader"] == "judge"
    assert [one["description"] for one in tests["tests"]] == [
        "of the sea",
        "of the sea (2)",
        "of the sea (3)",
    ]
    assert [one["type"] for one in tests["tests"][0]["assert"]] == ["latency", "contains", "regex", "rubric"]
    assert tests["tests"][0]["assert"][1] == {
        "type": "contains",
        "value": "Sea",
        "ignore_case": True,
        "field": "text",
    }
    half = carried.cases["sets"]["promptfoo-2"]
    assert (half["threshold"], len(half["tests"])) == (0.5, 6)
    told = losses(carried)
    for line in (
        "scenarios: is not carried",
        "prompts[0].logprobs",
        "javascript: has no counterpart",
        "providers: are not",
        "tests[2]: has values that are made elsewhere",
        "'Subject', which is called 'subject'",
        "every answer is JSON here",
        "prompts[0][1]: shows a picture",
        "tests[0].assert[6]: regex: ",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        ("file://../secret.txt", "outside of the folder|cannot be found"),
        ("file:///etc/passwd", "outside of the folder"),
        ("file://https://example.org/x.txt", "nothing is fetched"),
        ("file://make.py:prompt", "made by a program"),
        ("file://prompts/*.txt", "several files"),
        ("file://link.txt", "outside of the folder"),
        ("{{ x | dump }}", "the filter 'dump'"),
        ("{% set x = 1 %}", "sets a variable"),
        ('[{"role": "assistant", "content": "Hm."}]', "role 'assistant'"),
        ('[{"role": "user", "content": {{ x }}}]', "is not JSON"),
        ("{{ range(9) }}", "calls something"),
    ],
)
def test_what_would_say_something_else_here_is_refused_with_its_place(prompt, problem, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "c.yaml").write_text(yaml_text({"prompts": [prompt]}), encoding="utf-8")
    with pytest.raises(ImportRefused, match=problem):
        from_promptfoo(SourceFolder(folder / "c.yaml"), "x", "base")


def test_a_test_that_explodes_is_refused(source):
    many = {name: list(range(40)) for name in "abcdef"}
    config = yaml_text(
        {"prompts": ["{{a}}"], "tests": [{"vars": many, "assert": [{"type": "equals", "value": "1"}]}]}
    )
    with pytest.raises(ImportRefused, match="more than 1,000 tests"):
        from_promptfoo(source({"c.yaml": config}), "x", "base")


def test_a_rubric_without_a_grader_is_told_and_left_out(source, losses):
    carried = from_promptfoo(source({"c.yaml": CONFIG, **MORE}), "x", "base")
    assert "name it with --grader" in losses(carried)
    assert "rubric" not in str(carried.cases)
