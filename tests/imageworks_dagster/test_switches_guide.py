"""docs/operations.md: every switch is in its table, with what removes it."""

from __future__ import annotations

import re
from pathlib import Path

from imageworks_dagster.switches import SWITCHES
from store.settings import variable

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_switch_has_a_row_with_its_variable_and_the_condition_of_its_removal():
    section = GUIDE.partition("## Take it on step by step\n")[2].partition("\n##")[0]
    rows = re.findall(r"^\| ([\w ]+) \| ([^|]+) \| `(\w+)` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
    assert {(name, named) for name, _, named, _ in rows} == {
        (switch.name, variable(switch.setting)) for switches in SWITCHES.values() for switch in switches
    }
    assert all(condition.strip() for *_, condition in rows)
