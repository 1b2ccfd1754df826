"""How the switches of each application stand, and why, as lines of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks_dagster.switches import SWITCHES, TITLES, stands
from store.settings import variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.settings import Settings


def switch_lines(settings: Settings, source: Callable[[str], str]) -> Iterator[str]:
    """One line an application and one a switch, then an empty one.

    Args:
        settings: the settings in force.
        source: where a setting's value comes from, by its field.
    """
    yield "Switches"
    for application, switches in SWITCHES.items():
        yield f"  {TITLES[application]}"
        for switch in switches:
            why = source(switch.setting)
            named = "" if why.startswith("from ") else f" {variable(switch.setting)}"
            yield f"    {switch.name}: {stands(switch, settings)}  ({why}{named})"
    yield ""
