from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from imageworks.baseline.judging import critique
from imageworks.errors import ThumbnailRefused
from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.compliance import Compliance, Finding
from imageworks.judge_vision.critiquing import critique_facts, read_critique
from imageworks.judge_vision.drift import RoundMarks, drift
from imageworks.judge_vision.playoff import Pair, Shortlist
from imageworks.judge_vision.playoff_judges import playoff_judges
from imageworks.judge_vision.position_bias import position_bias
from imageworks.judge_vision.ranking import Comparison
from imageworks.judge_vision.report import MOST_FILTERS, render_report
from imageworks.judge_vision.report_charts import ordinal
from imageworks.judge_vision.report_entry import PersonsWord, ReportEntry, ShownOpinion
from imageworks.judge_vision.report_judges import ReportJudge, judges_line
from imageworks.judge_vision.results import Contender, rank
from imageworks.judge_vision.sections import rank_sections

OPEN = default_competition()
HOSTILE = "</title><script>alert(1)</script>{{ 7*7 }}\" onerror='x'"
VOID = {"meta", "img", "br", "line", "circle", "rect", "input"}


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
    assert "3 pairs compared among the best 3" in page.text
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
    assert "Colour: ranked entries" in page.text
    assert "2 pairs compared among the best 4" in page.text
    assert page.text.count("1 pair compared among the best 2") == 2
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


def test_of_several_judges_the_report_says_how_many_comparisons_each_made_and_what_showing_does_to_each(
    entries, facts
):
    answers = {Pair(number, "a", "b", "near-vlm"): ("first", "first") for number in range(9)}
    answers |= {Pair(number, "a", "b", "far-vlm"): ("first", "second") for number in range(10, 14)}
    answers[Pair(20, "a", "b", "third")] = (None, "first")
    judges = playoff_judges(("near-vlm", "far-vlm", "third"), answers)
    judged = result((18, 17), [("a", "b", "a")]).model_copy(update={"playoff_judges": judges})
    page = Page(render_report(competition=OPEN, result=judged, entries=entries, facts=facts))
    assert "The judges of the playoff" in page.text
    assert "near-vlm 9 9 " in page.text
    assert "far-vlm 4 0 " in page.text
    assert "third 1 without an answer 0 0 no pair answered in both orders" in page.text
    assert "near-vlm prefers the photo that is shown first" in page.text
    assert "Whether the order of showing counts" not in page.text


def test_a_finding_shows_how_sure_it_is_and_its_evidence(entries, facts, jpeg):
    finding = Finding(
        rule="borders",
        verdict="query",
        message="The picture has a border around it.",
        measured="top 9 px",
        confidence=0.97,
        evidence="e" * 64,
    )
    compliance = Compliance(entry_id="round/a", verdict="query", findings=(finding,))
    shown = replace(entries[0], compliance=compliance, evidence={"e" * 64: jpeg(20, 10)})
    html = render_report(competition=OPEN, result=result((19,)), entries=[shown], facts=facts)

    assert "very sure, 97 %" in Page(html).text
    assert "top 9 px" in Page(html).text
    assert html.count('class="evidence"') == 1
    without = render_report(
        competition=OPEN, result=result((19,)), entries=[replace(shown, evidence={})], facts=facts
    )
    assert 'class="evidence"' not in without


def test_each_award_and_section_can_be_shown_alone_without_a_script(entries, facts):
    html = render_report(competition=OPEN, result=result((19, 18, 12)), entries=entries, facts=facts)
    page = Page(html)

    assert {"show-award-all", "show-award-0", "show-award-1", "show-award-none"} <= set(page.ids)
    assert "show-award-2" not in page.ids
    for number in range(MOST_FILTERS):
        assert f":root:has(#show-award-{number}:checked) .card:not(.award-is-{number})" in html
        assert f":root:has(#show-section-{number + 1}:checked) .view:not(.view-{number + 1})" in html


def two_sections(entries):
    """Two of `a`'s category and one of another."""
    categories = {"round/a": "Colour", "round/b": "Colour", "round/c": "Mono"}
    contenders = [
        Contender(entry_id=name, score=score, weighted=float(score))
        for name, score in zip(categories, (19, 18, 18), strict=True)
    ]
    club = OPEN.model_copy(update={"categories": ("Colour", "Mono")})
    return club, rank_sections(contenders, categories, club, shortlists={})


def test_the_bar_counts_within_the_section_that_is_shown(entries, facts):
    club, judged = two_sections(entries)
    html = render_report(competition=club, result=judged, entries=entries, facts=facts)

    def counts(label):
        spans = re.search(rf">{label}((?: <span [^>]+>\d+</span>)+)</label>", html)[1]
        return re.findall(r'tally-(\d)">(\d+)<', spans)

    assert counts("Silver") == [("0", "2"), ("1", "1"), ("2", "1")]
    assert counts("Gold") == [("0", "1"), ("1", "1"), ("2", "0")]
    for number in range(1, MOST_FILTERS + 1):
        assert f':root:has(#show-section-{number}:checked) [for^="show-award"] .tally-{number}' in html
        assert f":has(#show-award-{number - 1}:checked) .view:not(:has(.award-is-{number - 1}))" in html


def test_what_holds_for_all_sections_is_said_once(entries, facts):
    club, judged = two_sections(entries)
    page = Page(render_report(competition=club, result=judged, entries=entries, facts=facts))
    assert page.text.count("How to read the rankings") == 1
    assert "Ranked in 2 sections, each by itself." in page.text


def test_all_places_stand_in_a_list_too_that_leads_to_the_entries(entries, facts):
    html = render_report(competition=OPEN, result=result((19, 18, 18)), entries=entries, facts=facts)
    roll = html[html.index('<details class="roll') : html.index("</details>")]
    assert [row.replace("</td>", "") for row in re.findall(r'<td class="number">([^<]+)', roll)] == [
        "1",
        "19",
        "2=",
        "18",
        "2=",
        "18",
    ]
    assert re.findall(r'href="#(entry-\d)"', roll) == ["entry-1", "entry-2", "entry-3"]
    alone = render_report(competition=OPEN, result=result((19,)), entries=entries, facts=facts)
    assert "places in a list" not in alone


def test_equals_are_named_and_a_persons_mark_stands_beside_the_judges(entries, facts):
    spoken = replace(entries[0], word=PersonsWord(score=17, who="Ada", reason="The horizon is level."))
    page = Page(
        render_report(
            competition=OPEN, result=result((15, 15, 15)), entries=[spoken, *entries[1:]], facts=facts
        )
    )

    assert "Shares its place with Title b and Title c : nothing puts one before another." in page.text
    assert "Ada gives 17 instead of 15 The horizon is level." in page.text


def test_what_each_of_several_judges_gave_stands_beside_the_mark(entries, facts):
    several = (ShownOpinion("near-vlm", 14), ShownOpinion("far-vlm", 18), ShownOpinion("third", None))
    page = Page(
        render_report(
            competition=OPEN,
            result=result((16,)),
            entries=[replace(entries[0], opinions=several)],
            facts=facts,
        )
    )
    assert "judges from 14 to 18" in page.text
    assert "14 near-vlm 18 far-vlm \N{EN DASH} third" in page.text


def test_the_median_of_several_judges_may_be_away_from_the_medians_of_their_marks(entries, facts):
    answer = entries[0].critique.model_copy(update={"critique": "Short.", "score": 3})
    shown = replace(entries[0], critique=answer)

    def told(entry):
        return Page(render_report(competition=OPEN, result=result((3,)), entries=[entry], facts=facts)).text

    assert "from the three marks" in told(shown)
    several = told(replace(shown, opinions=(ShownOpinion("near-vlm", 3), ShownOpinion("far-vlm", 4))))
    assert "from the three marks" not in several
    assert "The critique has 1 word" in several


def test_who_judged_stands_at_the_top_whatever_the_judge_is_called(entries, facts):
    page = Page(
        render_report(
            competition=OPEN,
            result=result((16,)),
            entries=entries,
            facts=facts,
            judges=judges_line([ReportJudge(HOSTILE, "near-vlm", 3)]),
        )
    )
    top = page.text.partition("1 entry")[2].partition("Title a")[0]
    assert "Judge: </title><script>alert(1)</script>" in top
    assert "(model near-vlm), asked 3 times about each entry." in top
    assert "script" not in page.tags


def test_a_baseline_among_models_is_said_to_be_one_of_the_judges(entries, facts):
    both = tuple(replace(facts.stages[0], model=name) for name in ("baseline-judge", "near-vlm"))
    mixed = replace(facts, stages=both)
    page = Page(render_report(competition=OPEN, result=result((19,)), entries=entries, facts=mixed))
    assert "A baseline is among the judges." in page.text
    assert "Judged by a baseline" not in page.text


def test_a_round_is_drawn_beside_earlier_ones(entries, facts):
    now, before = (RoundMarks(name, (12, 14, 15, 16, 18), ("near-vlm",)) for name in ("now", "before"))
    html = render_report(
        competition=OPEN, result=result((16,)), entries=entries, facts=facts, drift=drift(now, [before])
    )
    assert "Beside earlier rounds" in Page(html).text
    assert "From 12 to 18, half of them from 14.0 to 16.0, median 15.0" in html


def test_what_is_to_be_looked_at_in_a_critique_is_said_beside_it(entries, facts):
    answer = entries[0].critique.model_copy(update={"critique": "It tells a story.", "score": 19})
    page = Page(
        render_report(
            competition=OPEN,
            result=result((19,)),
            entries=[replace(entries[0], critique=answer)],
            facts=facts,
        )
    )
    assert "Worn phrases: 'tells a story'." in page.text
    assert "The critique has 4 words; 110 to 150 are asked for." in page.text
