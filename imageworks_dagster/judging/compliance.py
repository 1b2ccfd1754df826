"""judge/compliance: every entry against the competition's rules, with what detectors see in its picture."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imageworks.judge_vision.compliance import EntryFacts, check_all
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.looking import DETECTORS_VERSION, look_at, look_for_alike
from imageworks_dagster.stages import Outcome, canonical, inherited_error, usable

if TYPE_CHECKING:
    from imageworks.judge_vision.seen import AlikePhotos, Seen
    from imageworks_dagster.stages import Row, Stage


def check_entries(stage: Stage) -> Outcome:
    """One row an entry, with its verdict and findings."""
    entries = stage.read("judge/entries")
    stage.progress.expect(len(entries))
    facts = [
        EntryFacts(
            **{name: entry[name] for name in EntryFacts.model_fields} | {"file_name": entry["relative_path"]}
        )
        for entry in entries
    ]
    seen, alike = _looked(stage, usable(entries))
    judged = check_all(facts, competition_of(stage), seen=seen, alike=alike)
    rows = []
    for entry, compliance in zip(entries, judged, strict=True):
        findings = [finding.model_dump(exclude_none=True) for finding in compliance.findings]
        rows.append(
            stage.row(
                entry,
                **inherited_error(entry),
                verdict=compliance.verdict,
                findings=canonical(findings),
                detectors_version=DETECTORS_VERSION,
            )
        )
        stage.progress.advance()
    verdicts = Counter(row["verdict"] for row in rows)
    return Outcome(
        rows,
        metadata={f"verdict_{verdict}": verdicts[verdict] for verdict in ("pass", "query", "fail")},
        headline=("entry_id", "verdict", "findings"),
    )


def _looked(stage: Stage, entries: list[Row]) -> tuple[dict[str, Seen], list[AlikePhotos]]:
    """What the detectors see in the entries, and which of them are alike."""
    photos = {entry["entry_id"]: stage.photo_file(entry) for entry in entries}
    seen = look_at(
        photos,
        home=stage.store.home,
        settings=stage.settings,
        database=stage.store.database,
        progress=stage.progress,
    )
    opened = [photos[entry_id] for entry_id in seen]
    return seen, look_for_alike(opened, home=stage.store.home, settings=stage.settings)
