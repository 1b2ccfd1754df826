"""What the asset checks look at: one asset's current table, and the first table of its pipeline."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backends.checking import check_answer
from backends.errors import NotJson, SchemaMismatch
from backends.output_schemas import canonical_schema
from backends.recall import look_up
from imageworks.counting import counted
from imageworks.judge_vision.critique_remarks import remarks
from imageworks.judge_vision.critiquing import (
    FARTHEST_SCORE,
    FEWEST_WORDS,
    MOST_WORDS,
    Critique,
)
from imageworks.judge_vision.seen import TEXT_UNKNOWN
from imageworks_dagster.checks import (
    ACCOUNTED,
    AS_ASKED,
    FAILURES,
    FIT,
    SPREAD,
    TESTED,
    TEXT_READ,
    UNTOUCHED,
)
from imageworks_dagster.identifying import is_as_known, known_files
from imageworks_dagster.judging.opinions import opinions_in
from imageworks_dagster.opened import open_store
from imageworks_dagster.tables import signal_values
from photos.errors import PhotoError
from photos.identity import photo_id
from prompt_hub.errors import CaseFileError
from prompt_hub.hashing import short
from prompt_hub.schema import PromptProfile
from prompt_hub.testing.case_files import load_case_sets
from prompt_hub.testing.requirements import present_in, untested
from registry.registry import Registry
from registry.schema import Model
from store.batches import batch as registered_batch
from store.path_text import path_text, text_path
from telemetry.errors import MissingManifest
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline
    from imageworks_dagster.stages import Row
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.manifest import PinnedJudge, PinnedModel, PinnedProfile

CHUNK = 500
"""Kept answers in memory at once."""

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
    """What a check looks at.

    Attributes:
        asset: the asset.
        folder: the batch's.
        entries: rows of the pipeline's first table.
        rows: rows of the asset's table.
        database: the state database.
        pinned: the prompt that the run which made the table pinned for it; None where that is not known.
        model: the model, likewise.
        prompts: the user's layer of prompts, which has their tests.
        registry: the user's registry, which has the models that grade.
        signals: rows of judge/signals by entry, for critiques.
        judges: all judges, where the run pinned several.
    """

    asset: str
    folder: Path
    entries: list[Row]
    rows: list[Row]
    database: StateDatabase
    pinned: PinnedProfile | None = None
    model: PinnedModel | None = None
    prompts: Path | None = None
    registry: Path | None = None
    signals: Mapping[str, Row] = field(default_factory=dict)
    judges: list[PinnedJudge] = field(default_factory=list)

    @classmethod
    def open(cls, settings: Settings, pipeline: Pipeline, asset: str, batch: str) -> Checked:
        """Read the tables of this batch."""
        store = open_store(settings)
        first = pipeline.stages[0].asset
        rows = store.tables.read(asset, batch).to_pylist()
        pinned, model, judges = _pinned(store, asset, rows)
        measured = store.tables.read("judge/signals", batch).to_pylist() if asset == "judge/critiques" else []
        return cls(
            asset=asset,
            folder=registered_batch(store.database, pipeline.name, batch).folder,
            entries=store.tables.read(first, batch).to_pylist(),
            rows=rows,
            database=store.database,
            pinned=pinned,
            model=model,
            prompts=store.home.prompts,
            registry=store.home.registry,
            judges=judges,
            signals={row["entry_id"]: row for row in measured if not row["error_class"]},
        )

    @property
    def asked(self) -> list[Row]:
        """Rows that a model was asked for."""
        return [row for row in self.rows if row.get("answered_by")]

    @property
    def answers(self) -> list[Row]:
        """What a model was asked, a row each: of several judges every one's answer."""
        return [
            answer for row in self.asked for answer in ([{**row, **one} for one in opinions_in(row)] or [row])
        ]

    @property
    def asked_with(self) -> list[tuple[PromptProfile, Model]]:
        """Each profile with the model that it was put to."""
        if self.judges:
            return [
                (PromptProfile.model_validate(one.profile.content), Model.model_validate(one.model.content))
                for one in self.judges
            ]
        if self.model is None:
            return []
        model = Model.model_validate(self.model.content)
        return [(profile, model) for profile in self.profiles]

    @property
    def profiles(self) -> list[PromptProfile]:
        """The profiles that the table was made with; each once, however many shares are its own."""
        if self.pinned is None:
            return []
        several = [share.content for share in self.pinned.shares]
        several += [judge.profile.content for judge in self.judges]
        contents = several or [self.pinned.content]
        profiles = [PromptProfile.model_validate(content) for content in contents]
        return list({profile.hash: profile for profile in profiles}.values())


def _pinned(
    store: OpenStore, asset: str, rows: list[Row]
) -> tuple[PinnedProfile | None, PinnedModel | None, list[PinnedJudge]]:
    if not rows:
        return None, None, []
    try:
        manifest = read_manifest(store.home, rows[0]["run_id"])
    except MissingManifest:
        return None, None, []
    return manifest.profiles.get(asset), manifest.models.get(asset), manifest.judges.get(asset, [])


def every_entry_accounted_for(checked: Checked) -> CheckOutcome:
    """Each entry of the first stage has exactly one row here, with a result or a reason."""
    expected = Counter(entry["entry_id"] for entry in checked.entries)
    found = Counter(row["entry_id"] for row in checked.rows)
    silent = [
        row["entry_id"] for row in checked.rows if not row["error_class"] and not row.get("answered_by")
    ]
    missing, extra = sorted(expected - found), sorted(found - expected)
    passed = not (missing or extra or silent)
    return CheckOutcome(
        passed,
        f"{counted(len(checked.entries), 'entry', 'entries')}, {counted(len(checked.rows), 'row')}"
        if passed
        else f"missing {missing[:SHOWN]}, unexpected or double {extra[:SHOWN]}, "
        f"without result or reason {silent[:SHOWN]}; materialize the pipeline from its first stage",
    )


def share_of_failures(checked: Checked) -> CheckOutcome:
    """How much of what was asked failed."""
    asked = checked.answers
    failed = [row for row in asked if row["error_class"]]
    share = len(failed) / len(asked) if asked else 0.0
    questions = counted(len(asked), "question")
    return CheckOutcome(
        share <= WARN_SHARE,
        f"{len(failed)} of {questions} failed; materialize again to ask for those alone"
        if failed
        else f"{questions}, none failed",
        grave=share > FAIL_SHARE,
        metadata={"share": round(share, 4)},
    )


def answers_fit_the_schema(checked: Checked) -> CheckOutcome:
    """Each answer that the table rests on, as it is kept, fits the schema that the run pinned for it.

    A kept answer may be gone, being old or too many; then there is nothing to look at.
    """
    answered = [row for row in checked.answers if not row["error_class"]]
    if not answered:
        return CheckOutcome(True, "there is no answer to look at", metadata={"looked_at": 0})
    if checked.pinned is None:
        words = (
            f"the manifest of run {answered[0]['run_id']} is gone, and with it the schema; materialize again"
        )
        return CheckOutcome(False, words, grave=False, metadata={"looked_at": 0})
    stage = checked.pinned.profile_stage
    # Rows name the stage that answered: of a split there are several.
    schemas = {
        profile.stage_hash(stage): canonical_schema(profile.stage(stage).output)
        for profile in checked.profiles
    }
    looked_at, wrong = 0, []
    for start in range(0, len(answered), CHUNK):
        chunk = answered[start : start + CHUNK]
        kept = look_up(checked.database, {row["request_digest"] for row in chunk})
        for row in chunk:
            answer = kept.get(row["request_digest"])
            if answer is None or answer.answered_by != row["answered_by"]:
                continue
            looked_at += 1
            try:
                check_answer(answer.text, schemas[row["stage_hash"]])
            except (NotJson, SchemaMismatch) as error:
                wrong.append(f"{row['entry_id']}: {error}")
    gone = len(answered) - looked_at
    words = f"{counted(looked_at, 'kept answer')} looked at, none misses its schema"
    return CheckOutcome(
        not wrong,
        "; ".join(wrong[:SHOWN]) or (f"{words}; {gone} more no longer kept" if gone else words),
        metadata={"looked_at": looked_at, "wrong": len(wrong), "no_longer_kept": gone},
    )


def scores_in_range_and_spread(checked: Checked) -> CheckOutcome:
    """Scores lie in 0-20 and are not all the same."""
    scores = [row["score"] for row in checked.rows if row["score"] is not None]
    outside = [score for score in scores if not 0 <= score <= HIGHEST_MARK]
    distinct = len(set(scores))
    same = len(scores) >= FEW and distinct == 1
    if outside:
        words = f"{counted(len(outside), 'score')} outside 0-{HIGHEST_MARK}"
    elif same:
        words = f"all {len(scores)} scores are {scores[0]:g}: this judge tells no entry from another"
    else:
        words = f"{counted(len(scores), 'score')}, {distinct} distinct"
    return CheckOutcome(not outside and not same, words, grave=bool(outside), metadata={"distinct": distinct})


def critiques_as_asked(checked: Checked) -> CheckOutcome:
    """Most critiques have the length, a score that follows the marks, and words of their own that fit the photo."""
    # Whether a row reads as a critique at all is another check's question.
    told = [
        (
            row["entry_id"],
            remarks(
                Critique.model_construct(**{name: row[name] for name in Critique.model_fields}),
                signal_values(checked.signals[row["entry_id"]])
                if row["entry_id"] in checked.signals
                else None,
                medians=bool(opinions_in(row)),
            ),
        )
        for row in checked.rows
        if row["score"] is not None
    ]
    # An entry counts once, however many phrases it repeats.
    counts = Counter(kind for _, found in told for kind in {remark.kind for remark in found})
    against = [
        f"{entry_id}: {remark.words}"
        for entry_id, found in told
        for remark in found
        if remark.kind == "contradiction"
    ]
    share = sum(bool(found) for _, found in told) / len(told) if told else 0.0
    return CheckOutcome(
        max(counts.values(), default=0) <= WARN_SHARE * len(told),
        f"of {counted(len(told), 'critique')} {counts['length']} have not {FEWEST_WORDS}-{MOST_WORDS} words, "
        f"{counts['score']} have a score more than {FARTHEST_SCORE} from their weighted marks, "
        f"{counts['stock_phrase']} use stock phrases, {counts['improvement']} name not one short improvement, and "
        f"{counts['contradiction']} claim what was measured otherwise",
        grave=False,
        metadata={
            "share": round(share, 4),
            "outside_length": counts["length"],
            "outside_score": counts["score"],
            "stock_phrases": counts["stock_phrase"],
            "improvements": counts["improvement"],
            "contradictions": counts["contradiction"],
            "contradicted": "; ".join(against[:SHOWN]),
        },
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
    unread = len(checked.entries) - len(photos)
    words = f"{counted(len(photos), 'file')} looked at, each with the picture that was read"
    if unread:
        words += f"; {unread} more without a picture that can be read"
    return CheckOutcome(
        not changed,
        "; ".join(changed[:SHOWN]) or words,
        grave=False,
        metadata={"looked_at": len(photos), "changed": len(changed)},
    )


def prompt_tested(checked: Checked) -> CheckOutcome:
    """The tests of the stage have passed with exactly the profile and the model that the table was made with."""
    if checked.pinned is None or checked.model is None:
        words = "which prompt the table was made with is not known: its manifest is gone; materialize again"
        return CheckOutcome(not checked.asked, words if checked.asked else "nothing was asked", grave=False)
    asked_with = checked.asked_with
    stage = checked.pinned.profile_stage
    try:
        sets = load_case_sets(checked.prompts)
        present = present_in(lambda: Registry.load(checked.registry))
        missing = [
            f"{profile.id}@{short(profile.hash)}: {words}"
            for profile, model in asked_with
            for words in untested(
                sets, profile, stage, database=checked.database, model=model, present=present
            )
        ]
    except CaseFileError as error:
        return CheckOutcome(False, f"its tests cannot be read: {error}", grave=False)
    ids = {profile.id for profile, _ in asked_with}
    models = list({model.name: model for _, model in asked_with}.values())
    named = " and ".join(model.name for model in models)
    there = any(case.stage == stage for one in sets if one.profile_id in ids for case in one.written.tests)
    if all(model.is_embedded for model in models):
        words = f"{named} answers by rule and reads no prompt: there is nothing to test"
    elif not there:
        words = f"no test asks the stage {stage}: write some beside the prompts"
    else:
        words = f"every test of the stage {stage} has passed with {named}"
    return CheckOutcome(
        not missing, "; ".join(missing) or words, grave=False, metadata={"missing": len(missing)}
    )


def text_looked_for(checked: Checked) -> CheckOutcome:
    """Text was looked for in every picture, so far as the rules ask for it: where tesseract failed, findings say so."""
    unknown = [
        finding["message"]
        for row in checked.rows
        for finding in json.loads(row["findings"])
        if finding["rule"] == "text" and finding["message"].startswith(TEXT_UNKNOWN)
    ]
    pictures = sum(1 for row in checked.rows if not row["error_class"])
    if not unknown:
        return CheckOutcome(True, f"tesseract failed for none of {counted(pictures, 'picture')}", grave=False)
    # Every photo has the same trouble, or one has its own.
    whole = (
        "every picture" if len(unknown) == pictures else f"{len(unknown)} of {counted(pictures, 'picture')}"
    )
    return CheckOutcome(
        False,
        f"tesseract failed for {whole}: text laid over them asks a person, and was found by nobody. Mend it and "
        f"materialize again. {unknown[0]}",
        grave=False,
        metadata={"not_looked_for": len(unknown), "pictures": pictures},
    )


CHECKS: dict[str, Callable[[Checked], CheckOutcome]] = {
    ACCOUNTED: every_entry_accounted_for,
    FAILURES: share_of_failures,
    FIT: answers_fit_the_schema,
    SPREAD: scores_in_range_and_spread,
    AS_ASKED: critiques_as_asked,
    TESTED: prompt_tested,
    TEXT_READ: text_looked_for,
    UNTOUCHED: originals_untouched,
}
