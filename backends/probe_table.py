"""What was tried at servers, for people, as a table, and for programs, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from backends.probing import CLAIMS
from backends.showing import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from backends.probing import Probed


def probe_table(probed: Iterable[Probed]) -> Table:
    """One row a deployment; what was not tried is empty."""
    table = Table("model", "deployment", *CLAIMS)
    for one in probed:
        holds: dict[str, bool] = {}
        for trial in one.trials:
            holds[trial.claim] = holds.get(trial.claim, True) and trial.holds
        told = [("yes" if holds[claim] else "no") if claim in holds else "" for claim in CLAIMS]
        table.add_row(*map(cell, (one.model, f"{one.deployment} ({one.provider})", *told)))
    return table


def probe_json(probed: Sequence[Probed]) -> str:
    """Every claim that was tried at each deployment, with what was seen."""
    return json.dumps([asdict(one) for one in probed], indent=2)
