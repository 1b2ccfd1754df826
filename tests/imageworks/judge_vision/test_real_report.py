"""The report in a browser: its filters without a script, and its widths from a telephone to a projector."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from web_ui import CHROMIUM, chromium

from imageworks.judge_vision.competition import Competition
from imageworks.judge_vision.playoff import Shortlist
from imageworks.judge_vision.report import render_report
from imageworks.judge_vision.report_entry import ReportEntry
from imageworks.judge_vision.results import Contender
from imageworks.judge_vision.sections import rank_sections

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"Debian's chromium is not installed ({CHROMIUM})"),
]

CLUB = Competition(
    id="club",
    categories=("Colour", "Mono"),
    awards=("Gold", "Silver"),
    score_bands={"Gold": 18, "Silver": 16},
)
MARKS = {"Colour": (18, 16, 12), "Mono": (18, 12)}


@pytest.fixture
def report(tmp_path, facts, jpeg):
    marks = {f"{where}/{n}": (where, mark) for where, given in MARKS.items() for n, mark in enumerate(given)}
    result = rank_sections(
        [Contender(entry_id=entry, score=mark) for entry, (_, mark) in marks.items()],
        {entry: where for entry, (where, _) in marks.items()},
        CLUB,
        shortlists={where: Shortlist(()) for where in MARKS},
    )
    entries = [ReportEntry(entry, f"Title {entry}", f"{entry}.jpg", thumbnail=jpeg()) for entry in marks]
    path = tmp_path / "report.html"
    path.write_text(
        render_report(competition=CLUB, result=result, entries=entries, facts=facts), encoding="utf-8"
    )
    return path


def test_an_award_and_a_section_are_shown_alone(report):
    with chromium(width=1280, height=900) as (page, errors):
        page.goto(report.as_uri())
        cards = page.locator("article.card:visible")
        expect(cards).to_have_count(5)
        gold, silver = (page.locator(f"label[for=show-award-{number}]") for number in range(2))
        assert gold.inner_text() == "Gold 2"
        gold.click()
        expect(cards).to_have_count(2)
        expect(page.locator(".podium:visible")).to_have_count(0)
        page.locator("label[for=show-section-2]").click()
        expect(cards).to_have_count(1)
        expect(cards).to_contain_text("Title Mono/0")
        assert (gold.inner_text(), silver.inner_text()) == ("Gold 1", "Silver 0")
        page.locator("label[for=show-award-all]").click()
        expect(cards).to_have_count(2)
        page.locator("label[for=show-section-all]").click()
        expect(cards).to_have_count(5)
        silver.click()
        expect(page.locator(".category:visible")).to_have_count(1)
        assert errors == []


def test_the_list_of_places_opens_by_keyboard_leads_to_an_entry_and_is_open_on_paper(report):
    with chromium(width=390, height=900) as (page, errors):
        page.goto(report.as_uri())
        roll = page.locator(".roll").first
        expect(roll.locator("table")).to_be_hidden()
        roll.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(roll.locator("table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        roll.get_by_role("link", name="Title Colour/2").click()
        expect(page.locator("article.card:target")).to_contain_text("Title Colour/2")
        page.emulate_media(media="print")
        expect(page.locator(".roll table:visible")).to_have_count(2)
        assert errors == []


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_nothing_is_wider_than_the_screen(report, width):
    with chromium(width=width, height=900) as (page, errors):
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert errors == []
