"""Differences of profiles in words, as every terminal and page can show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prompt_hub.testing.reports.printable import line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prompt_hub.comparing import FieldDifference, Said


def field_lines(fields: Iterable[FieldDifference], names: tuple[str, str]) -> Iterator[str]:
    """Each field with both values, or the diff of its texts, and where each side says it."""
    for one in fields:
        sides = [_value(said) for said in (one.before, one.after)]
        yield f"{one.field}" if one.is_text else f"{one.field}: {sides[0]} -> {sides[1]}"
        yield f"    {one.kind}; {_from(one.before)} -> {_from(one.after)}"
        if one.is_text:
            yield f"{printable(one.diff(names))}\n"


def _value(said: Said | None) -> str:
    return "(none)" if said is None else line(json.dumps(said.value, ensure_ascii=False))


def _from(said: Said | None) -> str:
    if said is None:
        return "(none)"
    partials = "".join(f", {name} from {source}" for name, source in said.partials.items())
    return f"{said.source or 'default or unknown'}{partials}"
