"""What the asset checks look at: one asset's current table, and the first table of its pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from imageworks.errors import AnswerMisread
from imageworks.judge_vision.comparing import PairwiseAnswer, read_pairwise
from imageworks.judge_vision.critiquing import (
    FARTHEST_SCORE,
    FEWEST_WORDS,
    MOST_WORDS,
    Critique,
    read_critique,
)
from imageworks_dagster.checks import ACCOUNTED, AS_ASKED, FAILURES, FIT, SPREAD, UNTOUCHED
from imageworks_dagster.identifying import is_as_known, known_files
from imageworks_dagster.opened import open_store
from photos.errors import PhotoError
from photos.identity import photo_id
from store.batches import batch as registered_batch
from store.path_text import path_text, text_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imageworks_dagster.pipelines import Pipeline
    from imageworks_dagster.stages import Row
    from store.database import StateDatabase
    from store.settings import Settings

WARN_SHARE = 0.1
FAIL_SHARE = 0.5
HIGHEST_MARK = 20
SHOWN = 10
FEW = 3
"""From this many scores on, all equal ones are worth a word."""


@dataclass(frozen=True)
class CheckOutcome:
    """Whether a check passed; ``grave`` failures are errors, the others warnings."""

    passed: bool
    description: str
    grave: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What a check looks at."""

    asset: str
    folder: Path
    entries: list[Row]
    rows: list[Row]
    database: StateDatabase

    @classmethod
    def open(cls, settings: Settings, pipeline: Pipeline, asset: str, batch: str) -> Checked:
        """Read the tables of this batch."""
        store = open_store(settings)
        first = pipeline.stages[0].asset
        return cls(
            asset=asset,
            folder=registered_batch(store.database, pipeline.name, batch).folder,
            entries=store.tables.read(first, batch).to_pylist(),
            rows=store.tables.read(asset, batch).to_pylist(),
            database=store.database,
        )

    @property
    def asked(self) -> list[Row]:
        """Rows that a model was asked for."""
        return [row for row in self.rows if row.get("answered_by")]


def every_entry_accounted_for(checked: Checked) -> CheckOutcome:
    """Each entry of the first stage has exactly one row here, with a result or a reason."""
    expected = {entry["entry_id"] for entry in checked.entries}
    found = {row["entry_id"] for row in checked.rows}
    silent = [
        row["entry_id"] for row in checked.rows if not row["error_class"] and not row.get("answered_by")
    ]
    missing, extra = sorted(expected - found), sorted(found - expected)
    passed = not (missing or extra or silent)
    return CheckOutcome(
        passed,
        f"{len(expected)} entries, {len(found)} rows"
        if passed
        else f"missing {missing[:SHOWN]}, unexpected {extra[:SHOWN]}, without result or reason {silent[:SHOWN]}; "
        "materialize the pipeline from its first stage",
    )


def share_of_failures(checked: Checked) -> CheckOutcome:
    """How much of what was asked failed."""
    failed = [row for row in checked.asked if row["error_class"]]
    share = len(failed) / len(checked.asked) if checked.asked else 0.0
    return CheckOutcome(
        share <= WARN_SHARE,
        f"{len(failed)} of {len(checked.asked)} questions failed; materialize again to ask for those alone"
        if failed
        else f"all {len(checked.asked)} questions were answered",
        grave=share > FAIL_SHARE,
        metadata={"share": round(share, 4)},
    )


def answers_fit_the_schema(checked: Checked) -> CheckOutcome:
    """Each answer in the table reads as what its stage asks for."""
    read = READERS[checked.asset]
    wrong = []
    for row in checked.asked:
        if row["error_class"]:
            continue
        try:
            read(row)
        except (AnswerMisread, ValidationError) as error:
            wrong.append(f"{row['entry_id']}: {error}")
    return CheckOutcome(
        not wrong,
        "; ".join(wrong[:SHOWN]) or f"{len(checked.asked)} answers read",
        metadata={"wrong": len(wrong)},
    )


def scores_in_range_and_spread(checked: Checked) -> CheckOutcome:
    """Scores lie in 0-20 and are not all the same."""
    scores = [row["score"] for row in checked.rows if row["score"] is not None]
    outside = [score for score in scores if not 0 <= score <= HIGHEST_MARK]
    distinct = len(set(scores))
    same = len(scores) >= FEW and distinct == 1
    if outside:
        words = f"{len(outside)} scores lie outside 0-{HIGHEST_MARK}"
    elif same:
        words = f"all {len(scores)} scores are {scores[0]:g}: this judge tells no entry from another"
    else:
        words = f"{len(scores)} scores, {distinct} distinct"
    return CheckOutcome(not outside and not same, words, grave=bool(outside), metadata={"distinct": distinct})


def critiques_as_asked(checked: Checked) -> CheckOutcome:
    """Most critiques have the length, and most scores follow the marks, as the shipped judge is asked to do it."""
    # Whether a row reads as a critique at all is another check's question.
    critiques = [
        Critique.model_construct(**{name: row[name] for name in Critique.model_fields})
        for row in checked.rows
        if row["score"] is not None
    ]
    length = sum(not critique.has_length for critique in critiques)
    score = sum(not critique.score_follows for critique in critiques)
    most = WARN_SHARE * len(critiques)
    return CheckOutcome(
        length <= most and score <= most,
        f"of {len(critiques)} critiques {length} have not {FEWEST_WORDS}-{MOST_WORDS} words, and {score} have a score "
        f"more than {FARTHEST_SCORE} from their weighted marks",
        grave=False,
        metadata={"outside_length": length, "outside_score": score},
    )


def originals_untouched(checked: Checked) -> CheckOutcome:
    """The pictures in the files are those that were read; a file that is as it was is not read again."""
    photos = [entry for entry in checked.entries if entry["photo_id"] and not entry["error_class"]]
    paths = {entry["entry_id"]: checked.folder / text_path(entry["relative_path"]) for entry in photos}
    known = known_files(checked.database, paths.values())
    changed = []
    for entry in photos:
        path = paths[entry["entry_id"]]
        try:
            stat = path.stat()
            remembered = known.get(path_text(path))
            if remembered and is_as_known(remembered, size=stat.st_size, mtime_ns=stat.st_mtime_ns):
                now = remembered["photo_id"]
            else:
                now = photo_id(path)
            if now != entry["photo_id"]:
                changed.append(f"{entry['relative_path']} holds another picture now")
        except (OSError, PhotoError) as error:
            changed.append(f"{entry['relative_path']}: {error}")
    return CheckOutcome(
        not changed,
        "; ".join(changed[:SHOWN]) or f"{len(checked.entries)} files hold the pictures that were read",
        grave=False,
        metadata={"changed": len(changed)},
    )


def _read_critique(row: Row) -> None:
    read_critique({name: row[name] for name in Critique.model_fields})


def _read_comparison(row: Row) -> None:
    read_pairwise({name: row[name] for name in PairwiseAnswer.model_fields})


def _read_text(column: str) -> Callable[[Row], None]:
    def read(row: Row) -> None:
        if not isinstance(row[column], str) or not row[column].strip():
            raise AnswerMisread(f"{column} is empty")

    return read


def _read_keywords(row: Row) -> None:
    words = TypeAdapter(list[str]).validate_python(row["keywords"])
    if not words or any(not word.strip() for word in words):
        raise AnswerMisread("keywords are empty")


READERS: dict[str, Callable[[Row], None]] = {
    "judge/critiques": _read_critique,
    "judge/playoff": _read_comparison,
    "tagger/captions": _read_text("caption"),
    "tagger/keywords": _read_keywords,
    "tagger/descriptions": _read_text("description"),
}

CHECKS: dict[str, Callable[[Checked], CheckOutcome]] = {
    ACCOUNTED: every_entry_accounted_for,
    FAILURES: share_of_failures,
    FIT: answers_fit_the_schema,
    SPREAD: scores_in_range_and_spread,
    AS_ASKED: critiques_as_asked,
    UNTOUCHED: originals_untouched,
}
