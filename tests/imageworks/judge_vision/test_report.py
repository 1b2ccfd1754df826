from __future__ import annotations

import shutil
from html.parser import HTMLParser

import pytest

from imageworks.baseline.judging import critique
from imageworks.errors import ThumbnailRefused
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.compliance import Compliance, Finding
from imageworks.judge_vision.critiquing import critique_facts, read_critique
from imageworks.judge_vision.playoff import Shortlist
from imageworks.judge_vision.position_bias import position_bias
from imageworks.judge_vision.ranking import Comparison
from imageworks.judge_vision.report import ReportEntry, ordinal, render_report
from imageworks.judge_vision.results import Contender, rank
from imageworks.judge_vision.sections import rank_sections

OPEN = default_competition()
HOSTILE = "</title><script>alert(1)</script>{{ 7*7 }}\" onerror='x'"
VOID = {"meta", "img", "br", "line", "circle", "rect"}


class Page(HTMLParser):
    """A strict reader: what is in the page, and whether every element is closed in turn."""

    def __init__(self, html):
        super().__init__()
        self.stack, self.tags, self.ids, self.links, self.sources, self.attributes = [], [], [], [], [], set()
        self.words = []
        self.feed(html)
        assert not self.stack, self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.attributes |= set(given)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.sources.append(given["src"])
            assert given["alt"]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def entries(jpeg, signals):
    answer = read_critique(critique(critique_facts(title="x", signals=signals, width=3, height=2)))
    return [
        ReportEntry(
            entry_id=f"round/{name}",
            title=f"Title {name}",
            file_name=f"Title {name} by Somebody.jpg",
            category="Colour",
            thumbnail=jpeg(),
            large=jpeg(96, 64),
            critique=answer,
            compliance=Compliance(entry_id=f"round/{name}", verdict="pass"),
            signals=signals,
        )
        for name in "abcdef"
    ]


def result(marks, comparisons=(), failed=()):
    contenders = [
        Contender(entry_id=f"round/{name}", score=score, verdict="fail" if name in failed else "pass")
        for name, score in zip("abcdef", marks, strict=False)
    ]
    games = [Comparison(f"round/{one}", f"round/{other}", outcome) for one, other, outcome in comparisons]
    inside = sorted({entry for game in games for entry in (game.a, game.b)})
    return rank(contenders, OPEN, comparisons=games, shortlist=inside)


def test_the_report_shows_every_entry_its_marks_and_how_sure_the_places_are(entries, facts):
    played = result((19, 18, 17, 15, 12), [("a", "b", "b"), ("b", "c", "a"), ("a", "c", "draw")])
    page = Page(render_report(competition=OPEN, result=played, entries=entries, facts=facts))
    for name in "abcde":
        assert f"Title {name}" in page.text
    assert "3 comparisons among 3" in page.text
    assert "Credible places" in page.text
    assert "1 Gold" in page.text
    assert "To improve" in page.text
    assert page.tags.count("article") == 5


def test_the_page_needs_nothing_from_outside_and_runs_no_script(entries, facts):
    page = Page(render_report(competition=OPEN, result=result((19, 18, 17)), entries=entries, facts=facts))
    assert not {"script", "link", "iframe", "form", "object", "base"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
    assert all(link.startswith("#") for link in page.links)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_hostile_text_stays_text_everywhere(entries, facts, signals):
    answer = entries[0].critique.model_copy(update={"critique": HOSTILE, "improvement": HOSTILE})
    finding = Finding(rule="x", verdict="query", message=HOSTILE)
    hostile = ReportEntry(
        entry_id="round/a",
        title=HOSTILE,
        file_name=HOSTILE,
        category=HOSTILE,
        thumbnail=entries[0].thumbnail,
        critique=answer,
        compliance=Compliance(entry_id="round/a", verdict="query", findings=(finding,)),
        signals=signals,
    )
    competition = OPEN.model_copy(update={"name": HOSTILE})
    html = render_report(competition=competition, result=result((19,)), entries=[hostile], facts=facts)
    page = Page(html)
    assert "script" not in page.tags
    assert "onerror" not in page.attributes
    assert "{{ 7*7 }}" in page.text
    assert "<script>" not in html


def test_entries_that_are_not_ranked_are_shown_with_their_reasons(entries, facts):
    finding = Finding(
        rule="max_width", verdict="fail", message="It is 5000 pixels wide; at most 1600 are allowed."
    )
    entries[1] = ReportEntry(
        entry_id="round/b",
        title="Too Wide",
        file_name="b.jpg",
        compliance=Compliance(entry_id="round/b", verdict="fail", findings=(finding,)),
    )
    page = Page(
        render_report(
            competition=OPEN, result=result((19, 18, None), failed="b"), entries=entries, facts=facts
        )
    )
    assert "Not ranked" in page.text
    assert "5000 pixels wide" in page.text
    assert "no picture" in page.text
    assert "It has no critique yet." in page.text
    assert "1 ranked, 2 not ranked" in page.text


@pytest.mark.parametrize(
    ("error_class", "words"),
    [
        ("truncated", "It could not be read. The file is cut off"),
        ("not_json", "The judge gave no valid answer"),
    ],
)
def test_the_reason_why_an_entry_has_no_place_comes_before_what_is_to_be_looked_at(facts, error_class, words):
    remark = Finding(rule="color_space", verdict="query", message="The file does not say its color space.")
    shown = ReportEntry(
        entry_id="round/a",
        title="Half",
        file_name="a.jpg",
        compliance=Compliance(entry_id="round/a", verdict="query", findings=(remark,)),
    )
    unranked = rank([Contender(entry_id="round/a", verdict="query", error_class=error_class)], OPEN)
    page = Page(render_report(competition=OPEN, result=unranked, entries=[shown], facts=facts))
    assert page.text.index(words) < page.text.index("color space")


def test_a_file_that_is_no_picture_is_told_so_once(facts):
    finding = Finding(rule="readable", verdict="fail", message="The file is empty.")
    shown = ReportEntry(
        entry_id="round/a",
        title="Nothing",
        file_name="a.jpg",
        compliance=Compliance(entry_id="round/a", verdict="fail", findings=(finding,)),
    )
    unranked = rank([Contender(entry_id="round/a", verdict="fail", error_class="empty_file")], OPEN)
    page = Page(render_report(competition=OPEN, result=unranked, entries=[shown], facts=facts))
    assert page.text.count("The file is empty.") == 1


def test_a_baseline_is_named_in_a_banner_and_a_model_has_none(entries, facts, baseline_facts):
    given = {"competition": OPEN, "result": result((19,)), "entries": entries}
    assert "Judged by a baseline" in render_report(**given, facts=baseline_facts)
    assert "Judged by a baseline" not in render_report(**given, facts=facts)


def test_the_facts_of_the_run_are_printed_with_short_hashes(entries, facts):
    text = Page(render_report(competition=OPEN, result=result((19,)), entries=entries, facts=facts)).text
    assert "qwen2.5-vl-7b" in text
    assert "a" * 12 in text
    assert "a" * 13 not in text
    assert "0a1b2c3d-44ce" in text
    assert "4.2 s" in text


def test_categories_are_shown_apart_each_with_its_places_podium_and_certainty(entries, facts):
    marks = dict(zip("abcdef", (19, 18, 17, 20, 15, 12), strict=True))
    everybody = [Contender(entry_id=f"round/{name}", score=score) for name, score in marks.items()]
    categories = {f"round/{name}": "Colour" if name in "abc" else HOSTILE for name in marks}
    club = OPEN.model_copy(update={"categories": ("Colour", HOSTILE)})
    games = [Comparison("round/a", "round/b", "b"), Comparison("round/d", "round/e", "a")]
    shortlists = {
        "Colour": Shortlist(("round/a", "round/b")),
        HOSTILE: Shortlist(("round/d", "round/e")),
    }
    divided = rank_sections(everybody, categories, club, comparisons=games, shortlists=shortlists)
    html = render_report(competition=club, result=divided, entries=entries, facts=facts)
    page = Page(html)
    assert "<script>" not in html
    assert "Colour: all ranked entries" in page.text
    assert "2 comparisons among 4" in page.text
    assert page.text.count("1 comparisons among 2") == 2
    assert html.count('class="podium ') == 2
    assert html.count('class="intervals"') == 2
    assert page.tags.count("article") == 6
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    first, second = html.index("Title b"), html.index("Title d")
    assert html.index('id="category-1"') < first < html.index('id="category-2"') < second


def test_where_many_share_the_first_places_nobody_stands_on_a_podium(entries, facts):
    html = render_report(competition=OPEN, result=result((15,) * 6), entries=entries, facts=facts)
    assert 'class="podium' not in html
    assert "1st shared" in Page(html).text


def test_an_empty_batch_and_an_entry_without_anything_have_a_report(facts):
    assert (
        "0 entries" in Page(render_report(competition=OPEN, result=result(()), entries=[], facts=facts)).text
    )
    page = Page(render_report(competition=OPEN, result=result((15,)), entries=[], facts=facts))
    assert "round/a" in page.text


def test_a_thumbnail_that_is_no_picture_is_refused(entries, facts):
    bad = [ReportEntry(entry_id="round/a", title="a", file_name="a", thumbnail=b"<svg/>")]
    with pytest.raises(ThumbnailRefused):
        render_report(competition=OPEN, result=result((15,)), entries=bad, facts=facts)


def test_places_are_said_as_people_say_them():
    assert [ordinal(place) for place in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "13th",
        "21st",
        "102nd",
        "111th",
    ]


@pytest.mark.real
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_a_browser_shows_it_without_a_complaint_and_without_scrolling_sideways(
    entries, facts, tmp_path, width
):
    playwright = pytest.importorskip("playwright.sync_api")
    played = result((19, 18, 17, 15, 12), [("a", "b", "b"), ("b", "c", "a"), ("a", "c", "draw")])
    path = tmp_path / "report.html"
    path.write_text(
        render_report(competition=OPEN, result=played, entries=entries, facts=facts), encoding="utf-8"
    )
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert complaints == []
    assert paper == "rgb(250, 249, 246)"
    assert wide <= width


def test_a_bias_for_a_position_is_shown_with_its_interval(entries, facts):
    found = position_bias([("first", "first")] * 9 + [("first", "second")] * 11)
    judged = result((18, 17), [("a", "b", "a")]).model_copy(update={"position_bias": found})
    page = Page(render_report(competition=OPEN, result=judged, entries=entries, facts=facts))
    assert "Whether the order of showing counts" in page.text
    assert "The judge prefers the photo that is shown first" in page.text
