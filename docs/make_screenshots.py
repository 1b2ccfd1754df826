"""Make the README's pictures anew: `python docs/make_screenshots.py`, after `make test` has set up the environment.

Needs Debian's chromium. Runs the demo in a temporary home, starts the web UI on a free port, and walks it with the
code that the test of the web UI uses. Writes docs/images/asset-graph.webp, the asset graph after the demo, and
docs/images/report.webp, the top of the demo's judge report, with three more of it for docs/judging.md: a finding with
its evidence, the page on a telephone, and on a projector. Look at all of them before committing them.
"""

# ruff: noqa: INP001 - a script, in no package

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import FloatRect

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "doubles"))

from web_ui import IMAGEWORKS, chromium, environment, free_port, make_demo, open_graph, serving  # noqa: E402 - above

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

IMAGES = Path(__file__).parent / "images"
QUALITY = 82
MARGIN = 40


def main() -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        make_demo(home)
        port = free_port()
        command = [str(IMAGEWORKS), "ui", "--port", str(port)]
        with serving(command, port=port, env=environment(home), cwd=home.parent) as server:
            picture_of_graph(server.url)
        report = home / "reports" / "judge" / "demo-round" / "report.html"
        picture_of_report(report)
        pictures_for_organizers(report)


def picture_of_graph(url: str) -> None:
    """The stages of both pipelines with the list of all groups, once every status has come."""
    with chromium(width=1400, height=1240) as (page, _errors):
        page.goto(url)
        page.get_by_role("button", name="Hide navigation").click()
        open_graph(page, url)
        for _ in range(2):  # until both pipelines are in sight
            page.get_by_role("img", name="zoom_out").click()
        page.mouse.move(0, 0)
        keep(page, "asset-graph.webp")


def picture_of_report(report: Path) -> None:
    """The top of the report, down to the end of what is said of the ranking."""
    with chromium(width=1280, height=1400) as (page, _errors):
        page.goto(report.as_uri())
        page.wait_for_load_state("networkidle")
        keep(page, "report.webp", down_to=page.locator(".ranking .columns").first)


def pictures_for_organizers(report: Path) -> None:
    """A finding with its evidence, the page on a telephone, and one award alone on a projector."""
    with chromium(width=1280, height=2400) as (page, _errors):
        shown(page, report)
        card = page.locator("article.card", has=page.locator(".evidence")).first
        keep_picture(card.screenshot(animations="disabled"), "judging-evidence.webp")
    with chromium(width=390, height=1500) as (page, _errors):
        shown(page, report)
        keep(page, "judging-phone.webp")
    with chromium(width=1920, height=1080) as (page, _errors):
        page.emulate_media(color_scheme="dark")
        shown(page, report)
        page.locator("label[for='show-award-1']").click()
        page.locator(".filters").evaluate("bar => scrollTo(0, bar.offsetTop)")
        keep(page, "judging-projector.webp")


def shown(page: Page, report: Path) -> None:
    """Open the report and wait until every picture in it is there, those far below too."""
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    page.evaluate(
        "Promise.all([...document.images].map(i => { i.loading = 'eager'; i.decoding = 'sync'; return i.decode() }))"
    )


def keep(page: Page, name: str, *, down_to: Locator | None = None) -> None:
    """Write what the page shows; to the end of something in it, if that is given."""
    clip = None
    box = None if down_to is None else down_to.bounding_box()
    if box is not None and page.viewport_size is not None:
        height = round(box["y"] + box["height"]) + MARGIN
        clip = FloatRect(x=0, y=0, width=page.viewport_size["width"], height=height)
    keep_picture(page.screenshot(animations="disabled", full_page=clip is not None, clip=clip), name)


def keep_picture(png: bytes, name: str) -> None:
    """Write a picture as WebP: a palette, which keeps a PNG small, spoils photos."""
    IMAGES.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").save(IMAGES / name, "WEBP", quality=QUALITY, method=6)
    sys.stdout.write(f"{IMAGES / name}: {(IMAGES / name).stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
