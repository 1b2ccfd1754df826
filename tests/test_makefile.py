"""The Makefile's targets, as far as no installation is needed for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_clean_removes_what_was_built_and_leaves_what_the_user_has(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for made in (".venv/bin/python", ".mypy_cache/x", ".imageworks/state.db", ".imageworks/registry.yaml"):
        (tmp_path / made).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made).touch()

    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)

    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert left == {"Makefile", ".imageworks/state.db", ".imageworks/registry.yaml"}
