"""Make the console's pictures anew: `python docs/make_console_screenshots.py`, after `make test` has set it all up.

Needs Debian's chromium. Runs the demo in a temporary home, serves the console over it, and walks it with the code that
its test uses. Writes docs/images/console-*.png. Look at them before committing them.
"""

# ruff: noqa: INP001 - a script, in no package

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests" / "doubles"), str(REPOSITORY / "docs")]

from make_screenshots import keep  # noqa: E402 - above
from served_gateway import Gateway  # noqa: E402 - above
from web_ui import chromium, make_demo  # noqa: E402 - above

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = {
    "console-results.png": "/results/judge/demo-round",
    "console-entry.png": "/results/judge/demo-round/entry?entry=demo-round/Lift Off by Member 04.jpg",
    "console-prompt.png": "/prompts/club-judge",
    "console-registry.png": "/registry",
}


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_demo(home)
        with Gateway(home, "models: {}\n") as gateway, chromium(width=1280, height=860) as (page, _errors):
            for name, path in PAGES.items():
                show(page, f"{gateway.url}/console{path}")
                keep(page, name)
            show(page, f"{gateway.url}/console/performance")
            page.get_by_role("row").filter(has_text="demo-round").get_by_role("link").first.click()
            page.wait_for_load_state("networkidle")
            keep(page, "console-performance.png")


def show(page: Page, address: str) -> None:
    """Open a page, and wait for its pictures."""
    page.goto(address)
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
