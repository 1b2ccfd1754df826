"""JSON: all that is known, answers too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prompt_hub.testing.outcomes import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_hub.testing.outcomes import SetOutcome, TestOutcome


def report_json(outcomes: Sequence[SetOutcome]) -> str:
    """The document; ASCII, so that no answer can break it."""
    said = {"failed": failed(list(outcomes)), "sets": [_set(outcome) for outcome in outcomes]}
    return json.dumps(said, indent=2) + "\n"


def _set(outcome: SetOutcome) -> dict[str, Any]:
    return {
        "profile": outcome.reference,
        "profile_id": outcome.profile_id,
        "profile_hash": outcome.profile_hash,
        "set": outcome.set_name,
        "set_hash": outcome.set_hash or None,
        "model": outcome.model or None,
        "model_revision": outcome.model_revision or None,
        "state": outcome.state,
        "warnings": list(outcome.doubts),
        "tests": [_test(test) for test in outcome.tests],
    }


def _test(test: TestOutcome) -> dict[str, Any]:
    return {
        "test": test.test,
        "stage": test.stage,
        "state": test.state,
        "rate": round(test.rate, 6),
        "threshold": test.threshold,
        "samples": [
            {
                "text": sample.text,
                "recalled": sample.recalled,
                "answered_by": sample.answered_by,
                "checks": [
                    {"what": check.what, "holds": check.holds, "why": check.why, "weight": check.weight}
                    for check in sample.checks
                ],
            }
            for sample in test.samples
        ],
    }
