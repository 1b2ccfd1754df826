"""The gallery by keyboard, and a report as the console serves it, in headless Chromium."""

from __future__ import annotations

import pytest
from judged_round import ROUND, make_home
from playwright.sync_api import expect
from served_gateway import Gateway, registry_of
from web_ui import CHROMIUM, chromium

from imageworks.judge_vision.competition import Competition
from imageworks.judge_vision.report import render_report
from imageworks.judge_vision.report_entry import ReportEntry
from imageworks.judge_vision.results import Contender, rank
from imageworks.run_facts import RunFacts
from store.home import Home
from store.settings import Settings

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"Debian's chromium is not installed ({CHROMIUM})"),
]

CLUB = Competition(id="club", awards=("Gold", "Silver"), score_bands={"Gold": 18, "Silver": 16})
MARKS = {f"{ROUND}/photo-{number:04d}.jpg": mark for number, mark in enumerate((18, 16, 12))}


@pytest.fixture(scope="module")
def address(tmp_path_factory, module_double):
    """Of a round's page; the round has a report."""
    root = tmp_path_factory.mktemp("real-gallery") / "home"
    make_home(root)
    report = Home.of(Settings(home=root)).report("judge", ROUND)
    report.parent.mkdir(parents=True)
    page = render_report(
        competition=CLUB,
        result=rank([Contender(entry_id=entry, score=mark) for entry, mark in MARKS.items()], CLUB),
        entries=[ReportEntry(entry, f"Title {mark}", f"{mark}.jpg") for entry, mark in MARKS.items()],
        facts=RunFacts(ROUND, "r1", "1 March 2026", ""),
    )
    report.write_text(page, encoding="utf-8")
    with Gateway(root, registry_of(module_double.url), dagster_url="http://127.0.0.1:1") as gateway:
        yield f"{gateway.url}/console/results/judge/{ROUND}"


def test_what_is_shown_is_chosen_by_keyboard_alone(address):
    with chromium(width=1280, height=900) as (page, errors):
        page.goto(address)
        expect(page.locator("article.card")).to_have_count(4)
        page.get_by_label("Show").focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator("#cards")).to_contain_text("None of the 4 photos is kept out.")
        expect(page.get_by_label("Show")).to_be_focused()
        page.keyboard.press("Home")
        expect(page.locator("article.card")).to_have_count(4)
        assert errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_keeps_its_looks_its_filters_and_its_links_in_the_sandbox(address, width):
    with chromium(width=width, height=900) as (page, errors):
        page.goto(address)
        page.get_by_role("link", name="Report", exact=True).click()
        expect(page.locator("article.card:visible")).to_have_count(3)
        assert page.locator(".card").first.evaluate("card => getComputedStyle(card).display") == "flex"
        page.locator("label[for=show-award-0]").click()
        expect(page.locator("article.card:visible")).to_have_count(1)
        page.locator("label[for=show-award-all]").click()
        page.locator(".roll summary").click()
        page.locator(".roll").get_by_role("link", name="Title 12").click()
        expect(page.locator("article.card:target")).to_contain_text("Title 12")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # The page has no script: what the sandbox blocks is what the driver of this test brings.
        assert [error for error in errors if "Blocked script execution" not in error] == []
