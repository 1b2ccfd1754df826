"""The category of each entry of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.judge_vision.naming import category_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imageworks.judge_vision.competition import Competition
    from imageworks_dagster.stages import Row


def categories(wanted: Iterable[str], entries: Mapping[str, Row], competition: Competition) -> dict[str, str]:
    """The category of each wanted entry, empty when nothing says one, by the rows of judge/entries.

    Raises:
        OutdatedTable: judge/entries does not know an entry.
    """
    return {entry: category_of(entries[entry]["relative_path"], competition) for entry in wanted}
