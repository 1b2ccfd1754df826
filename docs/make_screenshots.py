"""Make the README's pictures anew: `python docs/make_screenshots.py`, after `make test` has set up the environment.

Needs Debian's chromium. Runs the demo in a temporary home, starts the web UI on a free port, and walks it with the
code that the test of the web UI uses. Writes docs/images/asset-graph.png, the asset graph after the demo, and
docs/images/report.png, the top of the demo's judge report, with three more of it for docs/judging.md: a finding with
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

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "doubles"))

from web_ui import IMAGEWORKS, chromium, environment, free_port, make_demo, open_graph, serving  # noqa: E402 - above

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parent / "images"
LARGEST_BYTES = 400_000
COLORS = (256, 128, 64)


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
        page.mouse.move(0, 0)
        keep(page, "asset-graph.png")


def picture_of_report(report: Path) -> None:
    """The top of the report, down to the end of the ranking."""
    with chromium(width=1280, height=1980) as (page, _errors):
        page.goto(report.as_uri())
        page.wait_for_load_state("networkidle")
        keep(page, "report.png")


def pictures_for_organizers(report: Path) -> None:
    """A finding with its evidence, the page on a telephone, and one award alone on a projector."""
    with chromium(width=1280, height=2400) as (page, _errors):
        shown(page, report)
        page.locator("article.card", has=page.locator(".evidence")).first.screenshot(
            path=IMAGES / "judging-evidence.png", animations="disabled"
        )
        keep_png((IMAGES / "judging-evidence.png").read_bytes(), "judging-evidence.png")
    with chromium(width=390, height=1500) as (page, _errors):
        shown(page, report)
        keep(page, "judging-phone.png", largest=LARGEST_BYTES // 2)
    with chromium(width=1920, height=1080) as (page, _errors):
        page.emulate_media(color_scheme="dark")
        shown(page, report)
        page.locator("label[for='show-award-1']").click()
        page.locator(".filters").evaluate("bar => scrollTo(0, bar.offsetTop)")
        keep(page, "judging-projector.png")


def shown(page: Page, report: Path) -> None:
    """Open the report and wait until every picture in it is there, those far below too."""
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    page.evaluate(
        "Promise.all([...document.images].map(i => { i.loading = 'eager'; i.decoding = 'sync'; return i.decode() }))"
    )


def keep(page: Page, name: str, *, largest: int = LARGEST_BYTES) -> None:
    """Write what the page shows."""
    keep_png(page.screenshot(animations="disabled"), name, largest=largest)


def keep_png(png: bytes, name: str, *, largest: int = LARGEST_BYTES) -> None:
    """Write a picture, with fewer colors where the file would be large."""
    for colors in COLORS:
        if len(png) <= largest:
            break
        quantized = io.BytesIO()
        with Image.open(io.BytesIO(png)) as picture:
            picture.convert("RGB").quantize(colors).save(quantized, "PNG", optimize=True)
        png = quantized.getvalue()
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / name).write_bytes(png)
    sys.stdout.write(f"{IMAGES / name}: {len(png):,} bytes\n")


if __name__ == "__main__":
    main()
