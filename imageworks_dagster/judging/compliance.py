"""judge/compliance: every entry against the competition's rules, with what detectors see in its picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageworks.judge_vision.compliance import EntryFacts, check_all
from imageworks.judge_vision.findings import evidence_name
from imageworks_dagster.judging.alike import alike_in_round
from imageworks_dagster.judging.earlier import Before, look_before
from imageworks_dagster.judging.evidence import draw_evidence
from imageworks_dagster.judging.rules import competition_of
from imageworks_dagster.looking import DETECTORS_VERSION, look_at
from imageworks_dagster.stages import Outcome, canonical, inherited_error, usable

if TYPE_CHECKING:
    from imageworks.judge_vision.competition import Rules
    from imageworks.judge_vision.seen import AlikePhotos, Seen
    from imageworks_dagster.picturing import PhotoFile
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
    competition = competition_of(stage)
    looked = _looked(stage, usable(entries), competition.rules)
    judged = check_all(facts, competition, seen=looked.seen, alike=looked.alike, reused=looked.before.reused)
    drawn = draw_evidence(
        judged,
        looked.photos,
        looked.seen,
        looked.pairs,
        home=stage.store.home,
        settings=stage.settings,
    )
    rows = []
    stage.progress.begin_again(len(entries))
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
        metadata={
            **{f"verdict_{verdict}": verdicts[verdict] for verdict in ("pass", "query", "fail")},
            "pictures_of_evidence_drawn": drawn,
            "text_not_looked_for": sum(1 for seen in looked.seen.values() if seen.text_unknown),
            "earlier_photos_compared": looked.before.compared,
            "earlier_photos_without_a_kept_picture": looked.before.without_picture,
        },
        headline=("entry_id", "verdict", "findings"),
    )


@dataclass(frozen=True)
class _Looked:
    """What the detectors saw.

    Attributes:
        photos: The photo of each entry that could be decoded.
        seen: What was seen in it, by entry.
        alike: Photos of the round that show the same.
        before: Photos that took part in an earlier round.
    """

    photos: dict[str, PhotoFile]
    seen: dict[str, Seen]
    alike: list[AlikePhotos]
    before: Before

    @property
    def pairs(self) -> dict[str, AlikePhotos]:
        """All pairs, by the name of their evidence."""
        of_round = {evidence_name("near_duplicate", pair.first, pair.second): pair for pair in self.alike}
        again = {evidence_name("reuse", pair.second, pair.first): pair for pair in self.before.alike}
        return of_round | again


def _looked(stage: Stage, entries: list[Row], rules: Rules) -> _Looked:
    """What the detectors see in the entries; which of them are alike, and which took part before, if that is asked."""
    photos = {entry["entry_id"]: stage.photo_file(entry) for entry in entries}
    seen = look_at(
        photos,
        {entry["entry_id"]: entry["file_sha256"] for entry in entries},
        home=stage.store.home,
        settings=stage.settings,
        database=stage.store.database,
        progress=stage.progress,
    )
    opened = {entry_id: photos[entry_id] for entry_id in seen}
    store, batch, settings = stage.store, stage.batch, stage.settings
    return _Looked(
        opened,
        seen,
        []
        if rules.on_near_duplicates == "pass"
        else alike_in_round(store, batch, opened.values(), settings=settings),
        Before()
        if rules.on_reuse == "pass"
        else look_before(store, batch, opened.values(), settings=settings),
    )
