"""judge/entries: every file of the folder, identified, with the title that the judge may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.naming import title_of
from imageworks_dagster.identifying import identify_folder
from imageworks_dagster.judging.rules import competition_of, pinned_rules
from imageworks_dagster.stages import Outcome
from store.path_text import path_text

if TYPE_CHECKING:
    from imageworks_dagster.stages import Row, Stage


def list_entries(stage: Stage) -> Outcome:
    """One row a file, and one a folder that cannot be looked into."""
    competition, rules = competition_of(stage), pinned_rules(stage).digest
    folder = identify_folder(stage.batch.folder, stage.store.database, stage.progress)
    rows: list[Row] = []
    for identified in folder.files:
        columns = identified.entry_columns
        entry = {"entry_id": stage.entry_id(columns["relative_path"]), "photo_id": columns.pop("photo_id")}
        title = title_of(columns["file_name"], competition)
        rows.append(stage.row(entry, **columns, title=title, rules_digest=rules))
    rows += [{**stage.problem_row(problem), "rules_digest": rules} for problem in folder.problems]
    return Outcome(
        rows,
        metadata={
            "folder": path_text(stage.batch.folder),
            "competition": competition.title,
            "rules_digest": rules,
        },
        headline=("file_name", "title", "format", "width", "height", "error_class"),
    )
