"""judge/compliance: every entry against the competition's rules, as far as that can be decided exactly."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from imageworks.judge_vision.compliance import EntryFacts, check_all
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.stages import Outcome, canonical, inherited_error

if TYPE_CHECKING:
    from imageworks_dagster.stages import Stage


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
    judged = check_all(facts, competition_of(stage.batch))
    rows = []
    for entry, compliance in zip(entries, judged, strict=True):
        findings = [finding.model_dump() for finding in compliance.findings]
        rows.append(
            stage.row(
                entry,
                **inherited_error(entry),
                verdict=compliance.verdict,
                findings=canonical(findings),
            )
        )
        stage.progress.advance()
    verdicts = Counter(row["verdict"] for row in rows)
    return Outcome(
        rows,
        metadata={f"verdict_{verdict}": verdicts[verdict] for verdict in ("pass", "query", "fail")},
        headline=("entry_id", "verdict", "findings"),
    )
