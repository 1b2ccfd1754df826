"""docs/settings.md has every setting with its meaning, but for the gateway's, which its own page has."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.settings import Settings, variable

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("settings.md", "gateway.md")}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_one_row_with_its_meaning(name):
    starts = f"| `{variable(name)}` |"
    rows = [
        (page, line) for page, text in PAGES.items() for line in text.splitlines() if line.startswith(starts)
    ]
    ((page, row),) = rows
    assert page == ("gateway.md" if name.startswith("gateway_") else "settings.md")
    assert row.endswith(f"| {Settings.model_fields[name].description} |")
