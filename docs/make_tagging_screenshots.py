"""Make the picture of docs/tagging.md anew: `python docs/make_tagging_screenshots.py`.

Needs Debian's chromium. Tags the demo's shoot in a temporary home, writes its review, decides a little in it, and takes
docs/images/tagging-review.webp. Look at it before committing it.
"""

# ruff: noqa: INP001 - a script, in no package

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests" / "doubles"), str(REPOSITORY / "docs")]

from make_screenshots import keep  # noqa: E402 - above
from web_ui import IMAGEWORKS, chromium, environment  # noqa: E402 - above

from imageworks_dagster.demo.making import make_demo  # noqa: E402 - above


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shoot = make_demo(Path(folder) / "demo").tag
        for words in (["tag", str(shoot)], ["review", "demo-shoot"]):
            subprocess.run([str(IMAGEWORKS), *words], env=environment(home), cwd=folder, check=True)  # noqa: S603 - ours
        picture_of_review(home / "reports" / "tagger" / "demo-shoot" / "review.html")


def picture_of_review(sheet: Path) -> None:
    """The top of the sheet: one photo approved, and of the next its keywords edited and its description rejected."""
    with chromium(width=1280, height=1340) as (page, _errors):
        page.goto(sheet.as_uri())
        photos = page.locator(".decide")
        for box in photos.nth(0).locator('input[value="approve"]').all():
            box.check()
        words = photos.nth(1).locator('fieldset[data-field="keywords"] textarea')
        words.fill(f"{words.input_value()}, espresso")
        photos.nth(1).locator('fieldset[data-field="description"] input[value="reject"]').check()
        page.evaluate("window.scrollTo(0, 0)")
        keep(page, "tagging-review.webp")


if __name__ == "__main__":
    main()
