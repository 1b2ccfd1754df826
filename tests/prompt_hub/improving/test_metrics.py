"""Metrics: from 0 to 1, and the mean of each answer's is that of all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from prompt_hub.errors import BadMetric
from prompt_hub.improving.examples import Example
from prompt_hub.improving.metrics import NAMES, metric_of
from prompt_hub.testing.asking import Told

OUTPUT = {
    "properties": {
        "critique": {"type": "string"},
        "score": {"type": "integer", "minimum": 0, "maximum": 20},
        "keywords": {"type": "array", "items": {"type": "string"}},
    }
}


def example(score=None, keywords=None):
    return Example(0, {}, None, score, keywords)


def told(**data):
    return Told(str(data), data, None, False, "1")


FAILED = Told("", None, "timeout: too late", False, "1")

marks = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=12).filter(
    lambda pairs: len({one for one, _ in pairs}) > 1 and len({other for _, other in pairs}) > 1
)


@given(marks)
def test_the_mean_of_the_ranks_is_spearmans_coefficient(pairs):
    examples = [example(score=float(label)) for label, _ in pairs]
    metric = metric_of("spearman", OUTPUT, examples)
    rho = spearmanr([label for label, _ in pairs], [mark for _, mark in pairs]).statistic
    assert metric.score(examples, [told(score=mark) for _, mark in pairs]) == pytest.approx((1 + rho) / 2)


@given(marks, st.sampled_from([name for name in NAMES if not name.startswith(("keywords", "length"))]))
def test_every_score_of_marks_is_from_0_to_1_as_a_whole(pairs, name):
    examples = [example(score=float(label)) for label, _ in pairs]
    score = metric_of(name, OUTPUT, examples).score(examples, [told(score=mark) for _, mark in pairs])
    assert -1e-9 <= score <= 1 + 1e-9


def test_an_answer_that_never_came_has_no_points():
    examples = [example(score=3.0), example(score=9.0)]
    for name in ("spearman", "mae", "valid", "length:critique:1:2"):
        assert metric_of(name, OUTPUT, examples).scores(examples, [FAILED, FAILED]) == [0.0, 0.0]


def test_the_error_is_a_share_of_the_schemas_range():
    examples = [example(score=10.0)]
    assert metric_of("mae", OUTPUT, examples).scores(examples, [told(score=15)]) == [0.75]


@pytest.mark.parametrize(
    ("found", "scores"),
    [
        (["Sea", "sky"], (0.5, 0.5, 0.5)),
        ([], (0.0, 0.0, 0.0)),
        (["sea", "tide"], (1.0, 1.0, 1.0)),
        (["sea"], (1.0, 0.5, 2 / 3)),
    ],
)
def test_keywords_are_compared_without_case(found, scores):
    examples = [example(keywords=("sea", "Tide"))]
    for name, score in zip(("precision", "recall", "f1"), scores, strict=True):
        (one,) = metric_of(f"keywords-{name}", OUTPUT, examples).scores(examples, [told(keywords=found)])
        assert one == pytest.approx(score)


def test_words_outside_of_the_bounds_cost_their_share():
    metric = metric_of("length:critique:2:4", OUTPUT, [example()])
    found = [metric.scores([example()], [told(critique=" ".join("a" * count))])[0] for count in (1, 3, 5, 20)]
    assert found == [0.75, 1.0, 0.75, 0.0]


def test_several_metrics_are_weighed():
    examples = [example(score=10.0)]
    metric = metric_of("mae=3, valid=1", OUTPUT, examples)
    assert metric.scores(examples, [told(score=20)]) == [pytest.approx((3 * 0.5 + 1) / 4)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bleu",
        "mae=0",
        "mae=x",
        "mae,",
        "spearman:2",
        "length",
        "length:nope:1:2",
        "length:critique:a:2",
        "keywords-f1",
    ],
)
def test_what_cannot_be_measured_is_refused(text):
    with pytest.raises(BadMetric):
        metric_of(text, OUTPUT, [example(score=1.0)])
