"""docs/security.md names code that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_every_defense_names_files_that_are_there():
    named = re.findall(r"`([^` ]+/[^` ]+)`", PAGE)
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).is_file()] == []
