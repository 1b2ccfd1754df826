"""What `imageworks doctor` prints."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from imageworks_dagster.command.terminal import indented, say
from imageworks_dagster.doctor.examining import examine

if TYPE_CHECKING:
    from imageworks_dagster.doctor.findings import Finding

_STYLES = {"ok": None, "look": "yellow", "broken": "red"}


def tell_findings(console: Console, *, as_json: bool) -> bool:
    """Print what is found; gives whether nothing is broken."""
    errors = Console(stderr=True)
    findings: list[Finding] = []
    with errors.status("looking") as status:
        findings.extend(examine(lambda name: status.update(f"looking at {name}")))
    sound = not any(one.level == "broken" for one in findings)
    if as_json:
        told = {"sound": sound, "findings": [asdict(one) for one in findings]}
        say(console, json.dumps(told, ensure_ascii=True, indent=2))
        return sound
    for one in findings:
        say(console, f"{one.level:<7} {one.check:<10} {one.words}", style=_STYLES[one.level])
        if one.remedy:
            say(console, indented(one.remedy))
    return sound
