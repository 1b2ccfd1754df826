"""Every page comes, says what the home holds, and lets nothing hostile become markup or a path."""

from __future__ import annotations

import io
import re

import httpx
import pytest
from judged_round import FIRST_RUN, HOSTILE, ROUND, SECOND_RUN, SHOOT
from PIL import Image

from gateway.console.statics import static_files

ENTRY = f"{ROUND}/photo-0000.jpg"
PAGES = (
    "/results",
    f"/results/judge/{ROUND}",
    f"/results/judge/{ROUND}/covers",
    f"/results/judge/{ROUND}/cards?page=0&order=score&search=tide",
    f"/results/judge/{ROUND}/entry?entry={ENTRY}",
    f"/results/judge/{ROUND}/entry?entry={ROUND}/photo-0001.jpg",
    f"/results/judge/{ROUND}/compare",
    f"/results/tagger/{SHOOT}",
    f"/results/tagger/{SHOOT}/entry?entry={SHOOT}/IMG_1.jpg",
    f"/results/tagger/{SHOOT}/compare",
    f"/results/tagger/{SHOOT}/metadata",
    f"/results/tagger/{SHOOT}/publish",
    "/prompts",
    "/prompts/club-judge",
    "/prompts/library",
    "/prompts/house",
    "/performance",
    f"/performance/{SECOND_RUN}",
    f"/performance/compare?before={FIRST_RUN}&after={SECOND_RUN}",
    "/gpu",
    "/registry",
    "/registry/talker",
    "/registry/baseline-judge",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_comes_and_nothing_hostile_in_it_is_markup(visitor_of, path):
    answer = visitor_of("viewer" if path == "/gpu" else "author").get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert HOSTILE not in answer.text
    assert 'onload="' not in answer.text
    assert not re.search(r"<script(?! src=)", answer.text)
    assert not re.search(r'<style| style=| on[a-z]+="', answer.text)


def test_the_first_page_is_results(admin):
    assert admin.get("").url.path == "/console/results"


def test_a_hostile_title_is_shown_as_it_is_written(admin):
    text = admin.get(f"/results/judge/{ROUND}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "Low Tide" in text


def test_a_page_may_load_nothing_but_the_consoles_own(admin):
    answer = admin.get("/results")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    for address in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert address.startswith(("/console", "#")), address


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/results/judge/no-such-batch",
        "/results/nothing/spring-round",
        f"/results/judge/{ROUND}/entry?entry=..%2F..%2Fstate.db",
        f"/results/judge/{ROUND}/picture?entry=..%2F..%2Fhome%2Fstate.db",
        f"/results/judge/{ROUND}/picture?entry=%2Fetc%2Fpasswd",
        f"/results/judge/{ROUND}/picture",
        f"/results/judge/{ROUND}/compare?before=..%2Fx",
        f"/results/judge/{ROUND}/metadata",
        "/prompts/no-such-prompt",
        "/prompts/..%2F..%2Fstate",
        "/prompts/club-judge/photo?set=form&name=..%2F..%2Fclub-judge.yaml",
        "/performance/..%2F..%2Fstate.db",
        f"/performance/{FIRST_RUN}/nothing.csv",
        "/registry/no-such-model",
        "/static/..%2Froutes.py",
        "/static/VENDORED.md",
    ],
)
def test_what_nobody_knows_is_not_there(admin, path):
    answer = admin.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_an_error_of_a_part_is_a_part(admin):
    answer = admin.get("/results/judge/no-such-batch/cards", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert "<html" not in answer.text


def test_a_photo_is_sent_small_and_kept_by_the_browser(admin):
    answer = admin.get(f"/results/judge/{ROUND}/picture?entry={ENTRY}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "max-age" in answer.headers["cache-control"]
    assert "private" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert max(picture.size) <= 480
        assert not picture.getexif()


def test_a_photo_that_the_browser_has_is_not_sent_again(admin):
    path = f"/results/judge/{ROUND}/picture?entry={ENTRY}"
    tag = admin.get(path).headers["etag"]
    again = admin.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert admin.get(f"{path}&size=large", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("partial", [False, True])
def test_where_something_of_ours_goes_wrong_the_page_says_where_to_look_and_nothing_more(
    admin, monkeypatch, partial
):
    def fail(_):
        raise RuntimeError("a secret")

    monkeypatch.setattr("gateway.console.results.pages.batches", fail)
    answer = admin.get("/results", headers={"HX-Request": "true"} if partial else {})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert "secret" not in answer.text
    assert ("<html" in answer.text) is not partial


def test_a_photo_of_a_test_is_sent_by_its_name_in_the_test(admin):
    answer = admin.get("/prompts/club-judge/photo?set=form&name=camera.jpg")
    assert answer.headers["content-type"] == "image/jpeg"


def test_what_is_vendored_is_what_its_list_says():
    import hashlib  # noqa: PLC0415
    from importlib.resources import files  # noqa: PLC0415

    folder = files("gateway.console").joinpath("static")
    listed = dict(
        re.findall(
            r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", folder.joinpath("VENDORED.md").read_text(), re.MULTILINE
        )
    )
    assert set(listed) == {"htmx.min.js", "uPlot.iife.min.js", "uPlot.min.css"}
    for name, digest in listed.items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", static_files())
def test_a_file_of_ours_is_kept_for_ever_under_its_digest_only(guarded, name):
    gateway, _ = guarded
    address = f"{gateway.url}/console/static/{name}"
    assert httpx.get(address).headers["cache-control"] == "no-cache"
    digest = static_files()[name].digest
    assert "immutable" in httpx.get(f"{address}?v={digest}").headers["cache-control"]


def test_the_csv_of_a_question_has_its_rows_and_no_formulas(admin):
    answer = admin.get(f"/performance/{SECOND_RUN}/errors.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert (
        answer.text.splitlines()[0].lstrip("\ufeff") == "stage,model,deployment,error_class,failures,such_as"
    )
    assert "'=HYPERLINK(1)" in answer.text


def test_a_run_shows_its_percentiles_its_switches_and_the_sql_of_each(admin):
    text = admin.get(f"/performance/{SECOND_RUN}").text
    assert "quantile_cont(total_ms, 0.95)" in text
    assert 'class="switch"' in text
    assert "550 ms" in text
    assert "gpu-0" in text
    assert "backend_down" in text


def test_two_runs_are_compared_photo_by_photo_and_the_one_that_moved_comes_first(admin):
    text = admin.get(f"/results/judge/{ROUND}/compare?before={FIRST_RUN}&after={SECOND_RUN}").text
    assert "2 of 4 differ" in text
    assert text.index("+2") < text.index("Lamplight")
