"""What several judges say of each entry, asked one judge after the other, and the one row that comes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.critiquing import Critique, read_critique
from imageworks.judge_vision.panel import brought_together
from imageworks_dagster.asking import Asker, see_panel
from imageworks_dagster.stages import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imageworks_dagster.asking import Question
    from imageworks_dagster.choices import Judge
    from imageworks_dagster.stages import Row, Stage

_LASTING = ("model", "model_revision", "profile_id", "stage_hash", "request_digest", "error_class")
_OF_THE_RUN = ("answered_by", "recalled", "deployment")


@dataclass(frozen=True)
class Opinion:
    """One answer of one judge about one entry.

    Attributes:
        judge: as it was named.
        sample: 0, 1, 2 …
        columns: who answered, and why not.
        critique: None where there is no valid one.
    """

    judge: str
    sample: int
    columns: Mapping[str, Any]
    critique: Critique | None


def ask_panel(
    stage: Stage, judges: Sequence[Judge], questions: Sequence[Question]
) -> dict[str, list[Opinion]]:
    """Put all questions to each judge in turn, so that a model is loaded once.

    Returns:
        By question the opinions, in the order of the judges.

    Raises:
        backends.errors.BackendError: a judge cannot be reached; nobody was asked then, unless it was there before.
    """
    opinions: dict[str, list[Opinion]] = {question.key: [] for question in questions}
    askers = [(judge, Asker(stage, judge.profile, judge.model)) for judge in judges]
    see_panel(stage, ((judge.text, asker, _sampled(questions, judge)) for judge, asker in askers))
    for judge, asker in askers:
        for sample in range(judge.samples):
            answers = asker.ask(_of_sample(questions, sample), read=read_critique)
            for key, (answer, critique) in answers.items():
                opinions[key].append(Opinion(judge.text, sample, asker.answer_columns(answer), critique))
    return opinions


def _sampled(questions: Sequence[Question], judge: Judge) -> Iterator[Question]:
    return (one for sample in range(judge.samples) for one in _of_sample(questions, sample))


def _of_sample(questions: Sequence[Question], sample: int) -> Iterator[Question]:
    return (replace(question, sample=sample) for question in questions)


def row_of(opinions: Sequence[Opinion]) -> Row:
    """The columns of judge/critiques that come of an entry's opinions; without marks where nobody gave any."""
    whole = brought_together([(one.judge, one.critique) for one in opinions])
    nested = {
        "opinions": canonical([_lasting(one) for one in opinions]),
        "opinions_asked": canonical([{name: one.columns[name] for name in _OF_THE_RUN} for one in opinions]),
    }
    if whole is None:
        return {**opinions[0].columns, **nested}
    shown = opinions[whole.shown]
    assert shown.critique is not None  # noqa: S101 - only a valid answer is shown
    return {
        **shown.columns,
        **nested,
        "score": whole.score,
        "impact": whole.impact,
        "composition": whole.composition,
        "technique": whole.technique,
        "weighted": whole.weighted,
        "critique": shown.critique.critique,
        "improvement": shown.critique.improvement,
        "score_low": whole.low,
        "score_high": whole.high,
    }


def opinions_in(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The opinions of a row of judge/critiques, each with who was asked; none where one judge was."""
    # A table of an earlier version has no such column.
    if not row.get("opinions"):
        return []
    pairs = zip(json.loads(row["opinions"]), json.loads(row["opinions_asked"]), strict=True)
    return [{**opinion, **asked} for opinion, asked in pairs]


def models_of(row: Mapping[str, Any]) -> list[str]:
    """Names of the models whose marks a row of judge/critiques comes of, by name: of a panel not only the shown one."""
    told = opinions_in(row)
    given = [one for one in told if one["score"] is not None] if told else [row]
    return sorted({one["model"] for one in given if one["model"]})


def _lasting(opinion: Opinion) -> dict[str, Any]:
    marks = (
        dict.fromkeys(Critique.model_fields) if opinion.critique is None else opinion.critique.model_dump()
    )
    return {
        "judge": opinion.judge,
        "sample": opinion.sample,
        **{name: opinion.columns[name] for name in _LASTING},
        **marks,
    }
