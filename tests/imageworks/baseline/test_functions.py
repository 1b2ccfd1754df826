from __future__ import annotations

import ast
from importlib.resources import files

import pytest

from imageworks.baseline.functions import (
    BASELINE_JUDGE,
    BASELINE_TAGGER,
    EMBEDDED,
    embedded_revisions,
    is_baseline,
)
from imageworks.baseline.revision import SOURCES, code_digest
from imageworks.errors import UnknownTask


def test_every_task_is_answered_by_its_model(signals):
    variables = {"signals": signals, "width": 3, "height": 2, "signals_a": signals, "signals_b": signals}
    for model, tasks in (
        (BASELINE_JUDGE, ("critique", "pairwise")),
        (BASELINE_TAGGER, ("caption", "keywords", "description")),
    ):
        for task in tasks:
            assert EMBEDDED[model]({**variables, "task": task})


@pytest.mark.parametrize("task", [None, "caption", 3, ["critique"]])
def test_an_unknown_task_is_refused_with_the_known_ones(task):
    with pytest.raises(UnknownTask, match="critique, pairwise"):
        EMBEDDED[BASELINE_JUDGE]({"task": task})


def test_the_revision_is_the_digest_of_the_code():
    assert embedded_revisions() == {BASELINE_JUDGE: code_digest(), BASELINE_TAGGER: code_digest()}
    assert len(code_digest()) == 64
    assert is_baseline(BASELINE_JUDGE)
    assert not is_baseline("qwen2.5-vl-7b")


def test_the_digest_covers_every_module_that_an_answer_depends_on():
    package = files("imageworks")
    waiting = ["baseline/functions.py"]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(package.joinpath(name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("imageworks"):
                base = node.module.removeprefix("imageworks").strip(".").replace(".", "/")
                named = [f"{base}.py", *(f"{base}/{alias.name}.py".lstrip("/") for alias in node.names)]
                waiting.extend(found for found in named if package.joinpath(found).is_file())
    # The rest shapes prompts or errors, or only names the digest itself.
    beside = {
        "answers.py",
        "baseline/revision.py",
        "errors.py",
        "judge_vision/competition.py",
        "judge_vision/formats.py",
        "judge_vision/name_pattern.py",
        "judge_vision/naming.py",
        "plain_text.py",
    }
    assert seen - beside == set(SOURCES)
