"""What the three asking stages share: a question a photo, its answer's row, a photo without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.context import context_variables, told_about
from imageworks.personal_tagger.tagging import caption_variables
from imageworks_dagster.asking import Asker, Question, Questions
from imageworks_dagster.stages import ByEntry, Outcome, inherited_error
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imageworks.personal_tagger.tagging import CaptionVariables
    from imageworks_dagster.stages import BatchTables, Row, Stage
    from prompt_hub.schema import StageTemplate

_OWN_COLUMNS = frozenset({"entry_id", "photo_id", "batch", "run_id"})


@dataclass(frozen=True)
class PhotoAsking:
    """How a stage asks about a photo.

    Attributes:
        template: the profile stage that it is asked with.
        column: the column that the answer goes into.
        before: earlier asking stages whose rows the question is built from; a photo that failed there is not asked
            here, and carries its reason on.
        variables: the template's variables, from the photo's row and the earlier stages' rows by asset.
        measured: the structured values for embedded models, from the same.
        read: the answer's data as the column's value.
        samples: how many times each photo is asked about.
        settle: the row's columns from the values of all its samples; left out, the column is the first one's.
    """

    template: StageTemplate
    column: str
    before: tuple[str, ...]
    variables: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]]
    measured: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]]
    read: Callable[[object], Any]
    samples: int = 1
    settle: Callable[[Sequence[Any]], Row] | None = None

    def columns(self, values: Sequence[Any]) -> Row:
        """What of a photo's row comes of its answers."""
        return {self.column: values[0]} if self.settle is None else self.settle(values)


def photo_variables(photo: Row) -> CaptionVariables:
    """What every tagging prompt is given about a photo, from its row of tagger/photos."""
    told = told_about(photo)
    return caption_variables(
        signals=signal_values(photo),
        existing_keywords=told["existing_keywords"],
        folder_words=told["folder_words"],
    )


def photo_questions(tables: BatchTables, asking: PhotoAsking) -> Questions:
    """What a stage asks about the photos of a batch, as its tables are."""
    earlier = {asset: tables.read_by_entry(asset) for asset in asking.before}
    questions = Questions([], [])
    for photo in tables.entries("tagger/photos"):
        mine = {asset: table[photo["entry_id"]] for asset, table in earlier.items()}
        failed = next((row for row in (photo, *mine.values()) if row["error_class"]), None)
        if failed is not None:
            questions.unasked.append((photo, inherited_error(failed)))
            continue
        if lead := photo.get("carries_answer_of"):
            questions.carried.append((photo, lead))
            continue
        questions.asked.append(
            Question(
                key=photo["entry_id"],
                entry=photo,
                variables={
                    **asking.variables(photo, mine),
                    **context_variables(photo, asking.template.variables),
                },
                measured=asking.measured(photo, mine),
                photos=(tables.photo_file(photo),),
            )
        )
    return questions


def ask_each_photo(stage: Stage, asking_of: Callable[[StageTemplate], PhotoAsking]) -> Outcome:
    """One row a photo, with the answer in the stage's column.

    Args:
        stage: the stage.
        asking_of: how it asks with the template of a profile; photos that are split between profiles are asked about
            one profile after the other.
    """
    choice = stage.choice
    assert choice is not None  # noqa: S101 - the stage asks
    rows: list[Row] = [*stage.gathered]
    carried: list[tuple[Row, str]] = []
    column = ""
    for number, profile in enumerate(choice.profiles):
        asking = asking_of(profile.stage(choice.profile_stage))
        column = asking.column
        questions = photo_questions(stage, asking)
        if number == 0:
            rows += [stage.row(photo, **why) for photo, why in questions.unasked]
            carried = questions.carried
        mine = [one for one in questions.asked if choice.profile_of(one.entry["photo_id"]) is profile]
        asker = Asker(stage, profile)
        asked = [sampled(question, number) for question in mine for number in range(asking.samples)]
        answers = asker.ask(asked, read=asking.read)
        for question in mine:
            said = [answers[sampled(question, number).key] for number in range(asking.samples)]
            # One sample that failed is a photo that failed: the next materialization asks for that sample alone.
            answer = next((answer for answer, _ in said if not answer.ok), said[0][0])
            columns = asking.columns([value for _, value in said]) if answer.ok else {}
            rows.append(stage.row(question.entry, **asker.answer_columns(answer), **columns))
    answered = ByEntry(stage.asset, rows)
    rows += [_carrying(stage, photo, answered[lead]) for photo, lead in carried]
    return Outcome(rows, headline=("entry_id", column, "error_class"))


def _carrying(stage: Stage, photo: Row, lead: Row) -> Row:
    """The row of a photo that carries another's answer, or the reason why that one has none."""
    columns = {name: value for name, value in lead.items() if name not in _OWN_COLUMNS}
    return stage.row(photo, **columns, shared_from=lead["entry_id"])


def sampled(question: Question, number: int) -> Question:
    """A question as it is asked for the ``number``-th time, from 0."""
    return question if number == 0 else replace(question, key=f"{question.key}#{number}", sample=number)
