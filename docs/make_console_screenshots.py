"""Make the console's pictures anew: `python docs/make_console_screenshots.py`, after `make test` has set it all up.

Needs Debian's chromium. Runs the demo in a temporary home, serves the console over it, and walks it with the code that
its test uses. Writes docs/images/console-*.webp. Look at them before committing them.
"""

# ruff: noqa: INP001 - a script, in no package

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import expect

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests" / "doubles"), str(REPOSITORY / "docs")]

from lease_desk import asked, party, resident  # noqa: E402 - above
from make_screenshots import keep, keep_picture  # noqa: E402 - above
from served_gateway import Gateway  # noqa: E402 - above
from web_ui import chromium, make_demo  # noqa: E402 - above

from store.database import StateDatabase  # noqa: E402 - above

if TYPE_CHECKING:
    from playwright.sync_api import Page

ENTRY = "/results/judge/demo-round/entry?entry=demo-round/Lift Off by Member 04.jpg"
LAYER = """# Goes above what is shipped.
id: club-judge
description: A judge of our own club.
stages:
  critique:
    parameters:
      temperature: 0.2
"""
PAGES = {
    "console-results.webp": "/results/judge/demo-round",
    "console-entry.webp": ENTRY,
    "console-metadata.webp": "/results/tagger/demo-shoot/metadata",
    "console-registry.webp": "/registry",
    "console-gpu.webp": "/gpu",
}
ON_A_TELEPHONE = ("/results/judge/demo-round", ENTRY, "/prompts")
GAP = 24


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_demo(home)
        gateway = Gateway(home, "models: {}\n", leases="enforce")
        with StateDatabase.open(gateway.settings) as database:
            desk = party(database, "box:1:a")
            resident(desk)
            desk.turn(enter=[asked("a", priority="interactive")])
        with gateway:
            with chromium(width=1280, height=860) as (page, _errors):
                for name, path in PAGES.items():
                    show(page, f"{gateway.url}/console{path}")
                    keep(page, name)
                show(page, f"{gateway.url}/console/prompts/club-judge")
                page.get_by_label("Your layer").fill(LAYER)
                expect(page.locator("#live")).to_contain_text("Valid")
                page.wait_for_load_state("networkidle")
                keep(page, "console-prompt.webp")
                page.set_viewport_size({"width": 1280, "height": 1560})
                show(page, f"{gateway.url}/console/performance")
                page.get_by_role("row").filter(has_text="demo-round").get_by_role("link").first.click()
                page.wait_for_load_state("networkidle")
                keep(page, "console-performance.webp")
            on_a_telephone(gateway.url)


def on_a_telephone(url: str) -> None:
    """Some pages beside each other, dark."""
    with chromium(width=390, height=780) as (page, _errors):
        page.emulate_media(color_scheme="dark")
        shown = []
        for path in ON_A_TELEPHONE:
            show(page, f"{url}/console{path}")
            shown.append(Image.open(io.BytesIO(page.screenshot(animations="disabled"))))
    width, height = shown[0].size
    together = Image.new("RGB", (len(shown) * (width + GAP) - GAP, height), "white")
    for number, picture in enumerate(shown):
        together.paste(picture, (number * (width + GAP), 0))
    png = io.BytesIO()
    together.save(png, "PNG")
    keep_picture(png.getvalue(), "console-phone.webp")


def show(page: Page, address: str) -> None:
    """Open a page, and wait for its pictures."""
    page.goto(address)
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
