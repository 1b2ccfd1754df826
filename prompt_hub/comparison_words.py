"""Differences of profiles in words, as every terminal and page can show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prompt_hub.testing.reports.printable import line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prompt_hub.comparing import FieldDifference, Said
    from prompt_hub.provenance import Source


def field_lines(fields: Iterable[FieldDifference], names: tuple[str, str]) -> Iterator[str]:
    """Each field with both values, or the diff of its texts, and where each side says it."""
    for one in fields:
        sides = [_value(said) for said in (one.before, one.after)]
        yield f"{one.field}" if one.is_text else f"{one.field}: {sides[0]} -> {sides[1]}"
        yield f"    {one.kind}; {_where(one)}"
        if one.is_text:
            yield f"{printable(one.diff(names))}\n"


def _value(said: Said | None) -> str:
    return "(none)" if said is None else line(json.dumps(said.value, ensure_ascii=False))


def _where(one: FieldDifference) -> str:
    """Where both sides say it: of a template that is the same on both, the texts that are put into it."""
    before, after = one.before, one.after
    if before is not None and after is not None and before.source == after.source:
        names = dict.fromkeys((*before.partials, *after.partials))
        if names:
            told = ", ".join(
                _partial(name, before.partials.get(name), after.partials.get(name)) for name in names
            )
            return f"{told}; included in {before.source}"
    return f"{_from(before)} -> {_from(after)}"


def _partial(name: str, before: Source | None, after: Source | None) -> str:
    if before == after:
        return f"partial {name} in {after}"
    return f"partial {name}: {before or '(none)'} -> {after or '(none)'}"


def _from(said: Said | None) -> str:
    if said is None:
        return "(none)"
    partials = "".join(f", {name} from {source}" for name, source in said.partials.items())
    return f"{said.source or 'default or unknown'}{partials}"
