"""The report of a batch, served from the home by the batch's name."""

from __future__ import annotations

import pytest
from judged_round import ROUND, SHOOT

from imageworks.judge_vision.competition import default_competition
from imageworks.judge_vision.report import render_report
from imageworks.judge_vision.results import Contender, rank
from imageworks.page import content_policy
from imageworks.run_facts import RunFacts
from store.home import Home

ADDRESS = f"/results/judge/{ROUND}/report"


@pytest.fixture
def report(guarded):
    """The report of the round as it is made."""
    path = Home.of(guarded[0].settings).report("judge", ROUND)
    path.parent.mkdir(parents=True, exist_ok=True)
    club = default_competition()
    page = render_report(
        competition=club,
        result=rank([Contender(entry_id=f"{ROUND}/photo-0000.jpg", score=17)], club),
        entries=[],
        facts=RunFacts(ROUND, "r1", "1 March 2026", ""),
    )
    path.write_text(page, encoding="utf-8")
    yield path
    path.unlink(missing_ok=True)


def test_a_batch_with_a_report_leads_to_it_and_one_without_does_not(report, visitor_of):
    viewer = visitor_of("viewer")

    assert f'href="/console{ADDRESS}">Report</a>' in viewer.get(f"/results/judge/{ROUND}").text
    assert "Report</a>" not in viewer.get(f"/results/tagger/{SHOOT}").text


def test_it_comes_as_it_is_with_a_policy_for_its_own_style_and_in_a_sandbox(report, visitor_of):
    answer = visitor_of("viewer").get(ADDRESS)

    assert answer.status_code == 200
    assert answer.text == report.read_text(encoding="utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy == f"{content_policy()}; frame-ancestors 'none'; sandbox"
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_a_report_of_an_earlier_style_has_its_own_policy(report, visitor_of):
    report.write_text("<style>p { color: red; }</style><p>Old</p>", encoding="utf-8")
    policy = visitor_of("viewer").get(ADDRESS).headers["content-security-policy"]

    assert "style-src 'sha256-" in policy
    assert not policy.startswith(content_policy())


@pytest.mark.parametrize(
    "path",
    [
        f"/results/tagger/{SHOOT}/report",
        f"/results/tagger/{ROUND}/report",
        "/results/judge/..%2F..%2Fjudge/report",
        f"/results/..%2Fjudge/{ROUND}/report",
        f"/results/judge/{ROUND}%2F..%2F{ROUND}/report",
    ],
)
def test_nothing_else_of_the_home_is_sent(report, visitor_of, path):
    assert visitor_of("viewer").get(path).status_code == 404


def test_who_is_not_signed_in_gets_no_report(report, guarded, visiting_at):
    with visiting_at(guarded[0]) as stranger:
        answer = stranger.get(ADDRESS)

    assert answer.url.path == "/console/sign-in"
