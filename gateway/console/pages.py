"""HTML from templates of ours. Every value is escaped; what a template names has to be there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from backends.showing import duration
from gateway.console.statics import static_url
from imageworks.plain_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN_DIGITS: Final = 12
_MINUTE_MS: Final = 60_000
_SECOND_MS: Final = 1000


def render(template: str, values: Mapping[str, object]) -> str:
    """A page, or a part of one.

    Args:
        template: A file in this package's templates.
        values: What it prints.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": lambda text: clean_text(str(text)),
        "short": lambda digest: (digest or "")[:_SHOWN_DIGITS],
        "instant": instant,
        "ms": milliseconds,
        "duration": duration,
        "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        "batch_of": lambda use: use[:2],
        "step": lambda text: quote(str(text), safe=""),
        "mark": lambda number: "" if number is None else f"{number:g}",
    }
    environment.globals |= {"static": static_url, "query": query}
    return environment


def query(**values: object) -> str:
    """The query of an address, without what is empty."""
    said = urlencode({name: value for name, value in values.items() if value not in (None, "")})
    return f"?{said}" if said else ""


def instant(when: datetime | None) -> str:
    """A time as people read it, in UTC; those without a zone are in it already."""
    if when is None:
        return ""
    utc = when if when.tzinfo is None else when.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M}"


def milliseconds(value: float | None) -> str:
    """A duration as people read it."""
    if value is None:
        return "—"
    if value >= _MINUTE_MS:
        return duration(value / _SECOND_MS)
    if value >= _SECOND_MS:
        return f"{value / _SECOND_MS:.2f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"  # noqa: PLR2004 - a digit more where it says something
