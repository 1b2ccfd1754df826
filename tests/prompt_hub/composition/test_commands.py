"""`python -m prompt_hub compose`."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from prompt_hub.__main__ import app
from prompt_hub.errors import CompositionFileError


def compose(home, *arguments):
    return CliRunner().invoke(app, ["compose", *arguments, "--home", str(home)])


def test_all_are_listed(tmp_path):
    shown = compose(tmp_path).stdout
    assert "checked-critique" in shown
    assert "caption keywords description" in shown


def test_one_is_shown_as_lines(tmp_path):
    shown = compose(tmp_path, "checked-critique").stdout
    assert "  review: once, until check.contradicts equals false\n" in shown
    assert "revision: self-checking-judge/revise, asked of judge, when check.contradicts equals true" in shown


def test_one_is_shown_as_a_picture_whose_labels_cannot_end_it(tmp_path):
    folder = tmp_path / "prompts" / "compositions"
    folder.mkdir(parents=True)
    text = """\
id: sly
profile: library
inputs: {signals: string, words(array): string}
nodes:
  one: &one {stage: caption, with: {signals: input.signals, existing_keywords: input.words, folder_words: input.words}}
  two:
    stage: caption
    when: {field: one.caption, equals: "\\"]\\n  click one \\"javascript:x\\" <b>"}
    with: {signals: one.caption, existing_keywords: input.words, folder_words: input.words}
outputs: {a: {either: [two.caption, one.caption]}}
"""
    (folder / "sly.yaml").write_text(text, encoding="utf-8")
    shown = compose(tmp_path, "sly", "--format", "mermaid").stdout
    assert shown.startswith("flowchart TD\n")
    assert "  one -.-> two\n" in shown
    assert "\n  click" not in shown
    assert "<b>" not in shown
    for line in shown.splitlines():
        assert re.fullmatch(r'  \w+ (-->|-\.->) \w+|  \w+\["[^"]*"\]|  \w+\(\[\w+\]\)|flowchart TD', line), (
            line
        )


def test_what_is_wrong_is_told(tmp_path):
    folder = tmp_path / "prompts" / "compositions"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("id: x\n", encoding="utf-8")
    with pytest.raises(CompositionFileError, match=r"x\.yaml:1: inputs: is missing"):
        raise compose(tmp_path, "tagging").exception
