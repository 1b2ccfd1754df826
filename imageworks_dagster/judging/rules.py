"""The competition's rules: read once, at the start of a run, and then taken from the run's manifest by every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.competition import Competition, default_competition
from imageworks.judge_vision.competition_file import load_competition
from imageworks_dagster.errors import OtherRules
from imageworks_dagster.pipelines import JUDGE
from registry.digests import digest
from store.path_text import path_text
from telemetry.errors import MissingManifest
from telemetry.manifest import PinnedRules, read_manifest

if TYPE_CHECKING:
    from imageworks_dagster.stages import Stage
    from store.batches import Batch

MADE_UNDER_RULES = ("judge/entries", "judge/compliance", "judge/critiques", "judge/playoff")
"""Tables that say something else under other rules; what is measured about a photo does not."""


def rules_of(batch: Batch) -> PinnedRules:
    """The batch's rules file as it is now, or the default rules for a batch without one.

    Raises:
        imageworks.errors.CompetitionError: the rules file cannot be used.
    """
    competition = load_competition(batch.rules) if batch.rules else default_competition()
    content = competition.model_dump(mode="json")
    return PinnedRules(
        file=path_text(batch.rules) if batch.rules else None, digest=digest(content), content=content
    )


def pinned_rules(stage: Stage) -> PinnedRules:
    """The rules of the run that the stage belongs to."""
    pinned = stage.run.manifest.rules
    assert pinned is not None  # noqa: S101 - every run of this pipeline pins them at its start
    return pinned


def competition_of(stage: Stage) -> Competition:
    """The competition that the stage's run judges.

    Raises:
        OtherRules: a table that the stage reads was made under other rules.
    """
    pinned = pinned_rules(stage)
    reads = JUDGE.stage(stage.asset).reads
    for asset in MADE_UNDER_RULES:
        if asset in reads:
            _check_made_under(pinned, stage, asset)
    return Competition.model_validate(pinned.content)


def _check_made_under(rules: PinnedRules, stage: Stage, asset: str) -> None:
    pointer = stage.store.tables.current(asset, stage.batch.name)
    if pointer is None or pointer.run_id == stage.run.run_id:
        return
    try:
        made_under = read_manifest(stage.store.home, pointer.run_id).rules
    except MissingManifest:
        made_under = None
    if made_under is not None and made_under.digest == rules.digest:
        return
    those = f"other rules than those it has now ({rules.file or 'the default rules'})"
    under = f"under {those}" if made_under else f"by a run whose rules are not known, maybe {those}"
    raise OtherRules(
        f"{asset} of batch {stage.batch.name!r} was made {under}. Materialize judge/entries and all that comes after "
        "it; what has a kept answer is not asked again."
    )
