"""What the three asking stages share: a question a photo, its answer's row, a photo without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.keywords import folder_words
from imageworks.personal_tagger.tagging import caption_variables
from imageworks_dagster.asking import Asker, Question, Questions
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imageworks.personal_tagger.tagging import CaptionVariables
    from imageworks_dagster.stages import BatchTables, Row, Stage
    from prompt_hub.schema import StageTemplate


@dataclass(frozen=True)
class PhotoAsking:
    """How a stage asks about a photo.

    Attributes:
        column: the column that the answer goes into.
        before: earlier asking stages whose rows the question is built from; a photo that failed there is not asked
            here, and carries its reason on.
        variables: the template's variables, from the photo's row and the earlier stages' rows by asset.
        measured: the structured values for embedded models, from the same.
        read: the answer's data as the column's value.
    """

    column: str
    before: tuple[str, ...]
    variables: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]]
    measured: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]]
    read: Callable[[object], Any]


def photo_variables(photo: Row) -> CaptionVariables:
    """What every tagging prompt is given about a photo, from its row of tagger/photos."""
    return caption_variables(
        signals=signal_values(photo),
        existing_keywords=photo["existing_keywords"],
        folder_words=folder_words(photo["relative_path"]),
    )


def photo_questions(tables: BatchTables, asking: PhotoAsking) -> Questions:
    """What a stage asks about the photos of a batch, as its tables are."""
    earlier = {asset: tables.read_by_entry(asset) for asset in asking.before}
    questions = Questions([], [])
    for photo in tables.read("tagger/photos"):
        mine = {asset: table[photo["entry_id"]] for asset, table in earlier.items()}
        failed = next((row for row in (photo, *mine.values()) if row["error_class"]), None)
        if failed is not None:
            questions.unasked.append((photo, inherited_error(failed)))
            continue
        questions.asked.append(
            Question(
                key=photo["entry_id"],
                entry=photo,
                variables=asking.variables(photo, mine),
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
    rows: list[Row] = []
    column = ""
    for number, profile in enumerate(choice.profiles):
        asking = asking_of(profile.stage(choice.profile_stage))
        column = asking.column
        questions = photo_questions(stage, asking)
        if number == 0:
            rows += [stage.row(photo, **why) for photo, why in questions.unasked]
        mine = [one for one in questions.asked if choice.profile_of(one.entry["photo_id"]) is profile]
        asker = Asker(stage, profile)
        answers = asker.ask(mine, read=asking.read)
        for question in mine:
            answer, value = answers[question.key]
            rows.append(stage.row(question.entry, **asker.answer_columns(answer), **{column: value}))
    return Outcome(rows, headline=("entry_id", column, "error_class"))
