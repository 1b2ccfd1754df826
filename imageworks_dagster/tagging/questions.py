"""What the three asking stages share: a question a photo, its answer's row, a photo without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageworks.personal_tagger.keywords import folder_words
from imageworks.personal_tagger.tagging import caption_variables
from imageworks_dagster.asking import Asker, Question
from imageworks_dagster.stages import Outcome, inherited_error
from imageworks_dagster.tables import signal_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imageworks.personal_tagger.tagging import CaptionVariables
    from imageworks_dagster.stages import Row, Stage


def photo_variables(photo: Row) -> CaptionVariables:
    """What every tagging prompt is given about a photo, from its row of tagger/photos."""
    return caption_variables(
        signals=signal_values(photo),
        existing_keywords=photo["existing_keywords"],
        folder_words=folder_words(photo["relative_path"]),
    )


def ask_each_photo(
    stage: Stage,
    *,
    column: str,
    before: tuple[str, ...],
    variables: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]],
    measured: Callable[[Row, Mapping[str, Row]], Mapping[str, Any]],
    read: Callable[[object], Any],
) -> Outcome:
    """One row a photo, with the answer in ``column``.

    Args:
        stage: the stage.
        column: the column that the answer goes into.
        before: earlier asking stages whose rows the question is built from; a photo that failed there is not asked
            here, and carries its reason on.
        variables: the template's variables, from the photo's row and the earlier stages' rows by asset.
        measured: the structured values for embedded models, from the same.
        read: the answer's data as the column's value.
    """
    photos = stage.read("tagger/photos")
    earlier = {asset: stage.read_by_entry(asset) for asset in before}
    rows: list[Row] = []
    questions: list[Question] = []
    for photo in photos:
        mine = {asset: table[photo["entry_id"]] for asset, table in earlier.items()}
        failed = next((row for row in (photo, *mine.values()) if row["error_class"]), None)
        if failed is not None:
            rows.append(stage.row(photo, **inherited_error(failed)))
            continue
        questions.append(
            Question(
                key=photo["entry_id"],
                entry=photo,
                variables=variables(photo, mine),
                measured=measured(photo, mine),
                photos=(stage.photo_file(photo),),
            )
        )
    asker = Asker(stage)
    answers = asker.ask(questions, read=read)
    for question in questions:
        answer, value = answers[question.key]
        rows.append(stage.row(question.entry, **asker.answer_columns(answer), **{column: value}))
    return Outcome(rows, headline=("entry_id", column, "error_class"))
