"""Asset checks, partitioned like their assets: what has to be true of every batch's tables."""

# Dagster reads the annotations of what it decorates: they are not postponed in this module.

import warnings
from collections.abc import Iterator

import dagster as dg

from imageworks_dagster.assembly import Assembly
from imageworks_dagster.partitions import PARTITIONS
from imageworks_dagster.pipelines import PIPELINES

ACCOUNTED = "every_entry_accounted_for"
FAILURES = "share_of_failures"
FIT = "answers_fit_the_schema"
SPREAD = "scores_in_range_and_spread"
AS_ASKED = "critiques_as_asked"
TEXT_READ = "text_looked_for"
UNTOUCHED = "originals_untouched"
TESTED = "prompt_tested"

DESCRIPTIONS = {
    ACCOUNTED: "Each entry of the first stage has its row, with a result or a reason; blocks what comes after.",
    FAILURES: "At most a tenth of what was asked failed (warning), at most half (error).",
    FIT: "Each answer that the table rests on, as it is kept, fits the schema that its run pinned.",
    SPREAD: "Scores lie in 0-20 and are not all the same.",
    AS_ASKED: "Nine in ten critiques have 110-150 words, a score within one of their weighted marks, no stock phrase, "
    "one short improvement, and no claim that the measured signals contradict (warning).",
    TEXT_READ: "Text laid over pictures was looked for in each; tesseract failed for none (warning).",
    TESTED: "The tests of the prompt have passed with exactly the revision and the model that the table was made with "
    "(warning).",
    UNTOUCHED: "The files whose pictures were read still hold them.",
}

CHECKED = {
    "judge/compliance": (TEXT_READ,),
    "judge/critiques": (ACCOUNTED, FAILURES, FIT, SPREAD, AS_ASKED, TESTED),
    "judge/playoff": (FAILURES, FIT, TESTED),
    "judge/results": (UNTOUCHED,),
    "tagger/captions": (ACCOUNTED, FAILURES, FIT, TESTED),
    "tagger/keywords": (ACCOUNTED, FAILURES, FIT, TESTED),
    "tagger/descriptions": (ACCOUNTED, FAILURES, FIT, TESTED),
    "tagger/metadata": (UNTOUCHED,),
}
"""Which checks each asset has."""


def asset_checks(assembly: Assembly) -> list[dg.AssetChecksDefinition]:
    """One step of checks an asset."""
    return [_checks_of(asset, names, assembly) for asset, names in CHECKED.items()]


def _checks_of(asset: str, names: tuple[str, ...], assembly: Assembly) -> dg.AssetChecksDefinition:
    pipeline = PIPELINES[asset.split("/", maxsplit=1)[0]]

    with warnings.catch_warnings():
        # A preview in Dagster and used on purpose: checks without partitions show the latest batch alone.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        specs = [
            dg.AssetCheckSpec(
                name,
                asset=asset.split("/"),
                description=DESCRIPTIONS[name],
                blocking=name == ACCOUNTED,
                partitions_def=PARTITIONS[pipeline.name],
            )
            for name in names
        ]

    @dg.multi_asset_check(name=f"{asset.replace('/', '__')}_checks", specs=specs)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from imageworks_dagster.checking import CHECKS, Checked  # noqa: PLC0415 - loads the store

        checked = Checked.open(assembly.settings, pipeline, asset, context.partition_key)
        for name in names:
            result = CHECKS[name](checked)
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=asset.split("/"),
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.grave else dg.AssetCheckSeverity.WARN,
                description=result.description,
                metadata=dict(result.metadata),
            )

    return checks
