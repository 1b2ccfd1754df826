"""What is better: agreement with people's marks and keywords, valid answers, length; from 0 to 1, weighed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import BadMetric
from prompt_hub.testing.checks import count_words, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prompt_hub.improving.examples import Example
    from prompt_hub.testing.asking import Told

_TERM: Final = re.compile(r"(?P<name>[a-z0-9-]+)(?P<options>(?::[^:=,]+)*)(?:=(?P<weight>[0-9.]+))?\Z")
NAMES: Final = ("spearman", "mae", "valid", "length", "keywords-precision", "keywords-recall", "keywords-f1")


@dataclass(frozen=True)
class Term:
    """One metric and its weight; the options are those of `length`: field, least and most words."""

    name: str
    weight: float
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metric:
    """Several metrics as one.

    Attributes:
        terms: They, with their weights.
        text: As it was written.
        score_field: The answer's field with the mark.
        score_range: Least and largest mark, or None where no schema says.
    """

    terms: tuple[Term, ...]
    text: str
    score_field: str
    score_range: tuple[float, float] | None

    def scores(self, examples: Sequence[Example], answers: Sequence[Told]) -> list[float]:
        """How good each answer is, 0 to 1; their mean is how good they are together.

        For `spearman` that holds too: with z the standardized ranks, the mean of z·z' is Spearman's coefficient, so
        (1 + z·z')/2 of each has the mean (1 + rho)/2. One that has no answer gets 0.
        """
        whole = sum(term.weight for term in self.terms)
        total = [0.0] * len(examples)
        for term in self.terms:
            for index, score in enumerate(self._of(term, examples, answers)):
                total[index] += term.weight * score / whole
        return total

    def score(self, examples: Sequence[Example], answers: Sequence[Told]) -> float:
        """How good the answers are together, 0 to 1."""
        scores = self.scores(examples, answers)
        return sum(scores) / len(scores)

    def _of(self, term: Term, examples: Sequence[Example], answers: Sequence[Told]) -> list[float]:
        if term.name == "spearman":
            return self._ranked(examples, answers)
        if term.name == "mae":
            return self._near(examples, answers)
        one = _ONE[term.name]
        return [
            0.0 if answer.failure is not None else one(term, example, answer)
            for example, answer in zip(examples, answers, strict=True)
        ]

    def _mark(self, answer: Told) -> float | None:
        value = answer.data.get(self.score_field) if isinstance(answer.data, dict) else None
        return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)

    def _near(self, examples: Sequence[Example], answers: Sequence[Told]) -> list[float]:
        labels = [example.score or 0.0 for example in examples]
        low, high = self.score_range or (min(labels), max(labels))
        marks = [self._mark(answer) for answer in answers]
        return [
            0.0 if mark is None else max(0.0, 1 - abs(mark - label) / ((high - low) or 1.0))
            for mark, label in zip(marks, labels, strict=True)
        ]

    def _ranked(self, examples: Sequence[Example], answers: Sequence[Told]) -> list[float]:
        marks = [self._mark(answer) for answer in answers]
        there = [index for index, mark in enumerate(marks) if mark is not None]
        given = _standardized([marks[index] or 0.0 for index in there])
        wanted = _standardized([examples[index].score or 0.0 for index in there])
        scores = [0.0] * len(marks)
        for index, one, other in zip(there, given, wanted, strict=True):
            scores[index] = (1 + one * other) / 2
        return scores


def metric_of(text: str, output: Mapping[str, Any], examples: Sequence[Example]) -> Metric:
    """The metric that somebody wrote, such as `spearman=0.7,length:critique:110:150=0.3`.

    Args:
        text: Names with options and weights.
        output: The schema of the answers.
        examples: What it compares with.

    Raises:
        BadMetric: There is no such metric, or the examples or answers have not what it compares.
    """
    terms = []
    for part in text.replace(" ", "").split(","):
        found = _TERM.match(part)
        if found is None or found["name"] not in NAMES:
            raise BadMetric(
                f"{part!r} is no metric. There are {', '.join(NAMES)}; several are joined by commas, each with its "
                "weight, as spearman=0.7,valid=0.3."
            )
        try:
            weight = float(found["weight"] or 1)
        except ValueError as error:
            raise BadMetric(f"{part!r} has a weight that is no number.") from error
        if weight <= 0:
            raise BadMetric(f"{part!r} has no weight.")
        terms.append(Term(found["name"], weight, tuple(found["options"].split(":")[1:])))
    fields: Mapping[str, Any] = output["properties"]
    for term in terms:
        _check(term, fields, examples)
    field, bounds = _score_field(fields)
    if field is None and any(term.name in {"spearman", "mae"} for term in terms):
        raise BadMetric(
            f"No field of the answer is the mark: it has {', '.join(fields)}, and none is called score."
        )
    return Metric(tuple(terms), text, field or "", bounds)


def _check(term: Term, fields: Mapping[str, Any], examples: Sequence[Example]) -> None:
    if term.name in {"spearman", "mae"} and any(example.score is None for example in examples):
        raise BadMetric(
            f"{term.name} compares with marks, and an example has none in the column score or label."
        )
    if term.name.startswith("keywords") and any(example.keywords is None for example in examples):
        raise BadMetric(
            f"{term.name} compares with keywords, and an example has none in the column keywords."
        )
    if term.name.startswith("keywords") and "keywords" not in fields:
        raise BadMetric(f"{term.name} looks at the field keywords, and the answer has {', '.join(fields)}.")
    if term.name != "length":
        if term.options:
            raise BadMetric(f"{term.name} has no options.")
        return
    field, *bounds = (*term.options, "", "")[: max(3, len(term.options))]
    if field not in fields or len(bounds) != 2 or not all(bound.isdecimal() for bound in bounds):  # noqa: PLR2004 - least and most
        raise BadMetric(
            f"length needs a field of the answer ({', '.join(fields)}), its least and its most words: "
            "length:critique:110:150."
        )


def _score_field(fields: Mapping[str, Any]) -> tuple[str | None, tuple[float, float] | None]:
    numbers = [name for name, one in fields.items() if one.get("type") in ("integer", "number")]
    name = "score" if "score" in numbers else numbers[0] if len(numbers) == 1 else None
    if name is None:
        return None, None
    low, high = fields[name].get("minimum"), fields[name].get("maximum")
    return name, None if low is None or high is None or low >= high else (float(low), float(high))


def _standardized(values: Sequence[float]) -> list[float]:
    """Ranks, ties at their mean, with mean 0 and variance 1; zeros where all are the same."""
    if not values:
        return []
    order = sorted(values)
    first = {value: order.index(value) for value in set(values)}
    ranks = [first[value] + (order.count(value) - 1) / 2 for value in values]
    mean = sum(ranks) / len(ranks)
    spread = (sum((rank - mean) ** 2 for rank in ranks) / len(ranks)) ** 0.5
    return [(rank - mean) / spread if spread else 0.0 for rank in ranks]


def _valid(term: Term, example: Example, answer: Told) -> float:
    """Whether the answer is JSON that fits; one that failed never comes here."""
    del term, example
    return float(answer.data is not None)


def _length(term: Term, example: Example, answer: Told) -> float:
    """1 within the bounds, and less by the share of words that are missing or too many."""
    del example
    field, low, high = term.options[0], int(term.options[1]), int(term.options[2])
    value = answer.data.get(field) if isinstance(answer.data, dict) else None
    count = 0 if value is None else count_words(text_of(value))
    off = max(low - count, count - high, 0)
    return max(0.0, 1 - off / max(high, 1))


def _keywords(term: Term, example: Example, answer: Told) -> float:
    given = answer.data.get("keywords") if isinstance(answer.data, dict) else None
    found = {str(word).casefold().strip() for word in given} if isinstance(given, list) else set()
    wanted = {word.casefold() for word in example.keywords or ()}
    both = len(found & wanted)
    precision = both / len(found) if found else float(not wanted)
    recall = both / len(wanted) if wanted else float(not found)
    if term.name == "keywords-precision":
        return precision
    if term.name == "keywords-recall":
        return recall
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


_ONE: Final[Mapping[str, Callable[[Term, Example, Told], float]]] = {
    "valid": _valid,
    "length": _length,
    "keywords-precision": _keywords,
    "keywords-recall": _keywords,
    "keywords-f1": _keywords,
}
