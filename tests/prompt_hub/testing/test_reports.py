"""Reports: what they say, and that no text breaks them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome
from prompt_hub.testing.reports.as_json import report_json
from prompt_hub.testing.reports.html import report_html
from prompt_hub.testing.reports.junit import junit_xml
from prompt_hub.testing.reports.printable import line, printable
from prompt_hub.testing.reports.table import remarks
from prompt_hub.testing.reports.words import summary

ANY = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["]]>", "</script>", "\x1b[2J", "\u202e", "\ud800", "&lt;"]
)


def outcome(text="the answer", why="it lacks 'sea'", holds=False, test="a title", model="first"):
    checks = (Check("contains: sea", holds, why), Check("words: max 9", True))
    sample = Sample(text, checks, recalled=True)
    return SetOutcome(
        "made@staging",
        "made",
        "a" * 64,
        "form",
        "b" * 64,
        model,
        "c" * 64,
        (TestOutcome(test, "caption", (sample,)),),
    )


class Page(HTMLParser):
    """A page as a browser takes it: its text, its elements, and whether all are closed."""

    def __init__(self, page):
        super().__init__()
        self.text, self.opened, self.elements = "", [], set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        if tag != "meta":
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.text += data


@given(ANY, ANY, ANY)
def test_no_text_breaks_a_page(text, why, test):
    made = report_html([outcome(text, why, test=test)])
    made.encode()
    page = Page(made)
    assert page.opened == []
    assert not page.elements & {"script", "img", "iframe", "a", "form", "object", "link", "svg"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", made)


@given(ANY, ANY, ANY)
def test_no_text_breaks_junit_xml(text, why, test):
    made = junit_xml([outcome(text, why, test=test)])
    (case,) = ET.fromstring(made.encode()).iter("testcase")
    assert case.get("name") == line(test)
    assert case.find("failure") is not None


@given(ANY, ANY)
def test_json_gives_back_what_was_answered(text, why):
    (one,) = json.loads(report_json([outcome(text, why)]))["sets"]
    assert one["tests"][0]["samples"][0]["text"] == text


@given(ANY)
def test_a_line_is_one_line_without_what_steers_a_terminal(text):
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line(text))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", printable(text))


def test_junit_counts_what_failed_and_what_was_skipped():
    outcomes = [outcome(), outcome(holds=True, why=""), outcome(holds=None, why="recalled")]
    root = ET.fromstring(junit_xml(outcomes))
    assert {name: root.get(name) for name in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    assert len(list(root.iter("testsuite"))) == 3
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "skipped, contains: sea: recalled"


def test_a_page_shows_profiles_and_models_across_and_says_states_in_words():
    page = Page(report_html([outcome(), outcome(holds=True, model="second")])).text
    for words in (
        "made@staging",
        "first",
        "second",
        "failed",
        "passed",
        "50%",
        "100%",
        "the answer",
        "known from before",
    ):
        assert words in page
    assert page.count("made: form") == 1


def test_a_page_lets_nothing_be_loaded_and_needs_nothing():
    page = report_html([outcome()])
    assert "default-src 'none'; style-src 'sha256-" in page
    assert not re.search(r"https?:|src=|href=|style=", page)


def test_the_summary_and_remarks_are_about_what_did_not_pass():
    outcomes = [outcome(), outcome(holds=True, why=""), outcome(holds=None, why="recalled")]
    assert summary(outcomes) == "3 tests, 1 failed, 1 incomplete."
    assert list(remarks(outcomes)) == [
        "failed: made@staging first form: a title",
        "    contains: sea: it lacks 'sea'",
        "incomplete: made@staging first form: a title",
        "    skipped, contains: sea: recalled",
    ]


@pytest.mark.real
def test_a_browser_shows_the_page_with_its_style_and_nothing_that_answers_carry(tmp_path):
    hostile = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
    (tmp_path / "report.html").write_text(report_html([outcome(hostile)]), encoding="utf-8")
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"file://{tmp_path}/report.html")
        assert page.title() == "Prompt tests"
        assert "onerror" in page.inner_text("pre")
        assert page.evaluate("getComputedStyle(document.querySelector('pre')).whiteSpace") == "pre-wrap"
        browser.close()
    # Nothing was refused by the policy, its own style included.
    assert said == []
