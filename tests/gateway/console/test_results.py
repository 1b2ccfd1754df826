"""People's words beside the models', and runs that Dagster is asked for."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from judged_round import ROUND, SHOOT, make_home

from gateway.console.results.gallery import Galleries
from gateway.dagster import launch
from gateway.errors import BackendFailed, Unavailable
from store.batches import batch, register
from store.database import StateDatabase
from store.errors import BadOverride
from store.home import Home
from store.overrides import Override, in_force, overrides_of, read_value
from store.settings import Settings

ENTRY = f"{ROUND}/photo-0002.jpg"
OVERRIDE = f"/results/judge/{ROUND}/override"


def test_a_persons_score_stands_beside_the_models_with_its_reason(guarded, visitor_of):
    author = visitor_of("author")
    answer = author.post(OVERRIDE, entry=ENTRY, column="score", value="7", reason="The horizon <b>tilts</b>.")
    assert answer.status_code == 200
    assert "by the model" in answer.text
    assert "author-person" in answer.text
    assert "The horizon &lt;b&gt;tilts&lt;/b&gt;." in answer.text
    gallery = author.get(f"/results/judge/{ROUND}").text
    assert "<b>7</b>" in gallery
    gateway, _ = guarded
    with StateDatabase.open(gateway.settings) as database:
        words = overrides_of(database, "judge", ROUND)[ENTRY]
        assert [(word.column, word.value, word.who) for word in words] == [("score", 7, "author-person")]
    change = gateway._server.config.app.state.parts.audit.last(1)[0]
    assert (change.who, change.action, change.subject) == ("author-person", "results.override", ROUND)
    assert "photo-0002" not in str(change.detail)


def test_the_models_word_holds_again_and_the_history_stays(visitor_of):
    author = visitor_of("author")
    entry = f"{ROUND}/photo-0003.jpg"
    author.post(OVERRIDE, entry=entry, column="score", value="3", reason="too dark")
    answer = author.post(OVERRIDE, entry=entry, column="score", value="", reason="it grew on me")
    assert "by the model" not in answer.text
    assert "too dark" in answer.text
    assert "it grew on me" in answer.text


def test_keywords_are_overridden_as_a_list(visitor_of):
    author = visitor_of("author")
    answer = author.post(
        f"/results/tagger/{SHOOT}/override",
        entry=f"{SHOOT}/IMG_1.jpg",
        column="keywords",
        value="trawler,  dawn , trawler",
        reason="names",
    )
    assert "trawler, dawn" in answer.text


def test_a_viewer_overrides_nothing_and_is_not_offered_it(visitor_of):
    viewer = visitor_of("viewer")
    page = viewer.get(f"/results/judge/{ROUND}/entry?entry={ENTRY}").text
    assert "Say it yourself" not in page
    answer = viewer.post(OVERRIDE, entry=ENTRY, column="score", value="1", reason="why")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("score", "21", "why"),
        ("score", "-1", "why"),
        ("score", "ten", "why"),
        ("score", "9" * 5000, "why"),
        ("score", "7", "  "),
        ("score", "7", "x" * 2001),
        ("photo_id", "x", "why"),
    ],
)
def test_what_a_column_cannot_hold_or_has_no_reason_is_refused(visitor_of, column, value, reason):
    answer = visitor_of("author").post(OVERRIDE, entry=ENTRY, column=column, value=value, reason=reason)
    assert answer.status_code == 400


def test_an_entry_that_is_not_there_is_not_overridden(visitor_of):
    answer = visitor_of("author").post(
        OVERRIDE, entry=f"{ROUND}/../x.jpg", column="score", value="1", reason="why"
    )
    assert answer.status_code == 404


def test_of_several_words_the_last_of_a_column_is_in_force():
    def word(column, value):
        return Override("e", "p", column, value, "why", "ada", None)

    words = [word("score", 3), word("caption", "a"), word("score", 4), word("caption", None)]
    assert {column: one.value for column, one in in_force(words).items()} == {"score": 4}


def test_a_value_is_read_by_its_column():
    assert read_value("judge", "score", " 20 ") == 20
    assert read_value("judge", "score", " ") is None
    assert read_value("tagger", "caption", "  Two\n lines ") == "Two lines"
    assert read_value("tagger", "description", " Two\r\nlines \n\n\n and  more\n") == "Two\nlines\n\nand more"
    assert read_value("tagger", "keywords", "sea,sky, 10,000 steps") == ["sea", "sky", "10,000 steps"]
    assert (
        read_value("tagger", "caption", "L'\u00e9t\u00e9\u00a0: \U0001f469\u200d\U0001f33e")
        == "L'\u00e9t\u00e9 : \U0001f469\u200d\U0001f33e"
    )
    with pytest.raises(BadOverride, match="control characters"):
        read_value("tagger", "caption", "a\x07b")
    with pytest.raises(BadOverride, match="80 characters"):
        read_value("tagger", "keywords", "x" * 81)


def test_five_thousand_photos_come_a_page_at_a_time(tmp_path):
    make_home(tmp_path / "home", photos=5000)
    settings = Settings(home=tmp_path / "home")
    galleries = Galleries()
    with StateDatabase.open(settings) as database:
        one = batch(database, "judge", ROUND)
        gallery = galleries.open(Home.of(settings), database, one)
        assert len(gallery.chosen(order="place", words={})) == 5000
        assert gallery.chosen(order="name", search="low tide", words={}) == [f"{ROUND}/photo-0000.jpg"]
        assert galleries.open(Home.of(settings), database, one) is gallery


def test_who_may_not_materialize_is_refused_and_it_is_kept(guarded, visitor_of):
    author = visitor_of("author")
    answer = author.post(f"/results/judge/{ROUND}/materialize")
    assert answer.status_code == 403
    assert "takes a publisher" in answer.text
    page = author.get(f"/results/judge/{ROUND}").text
    assert "Judge this batch now" not in page
    assert "starts a run" not in page
    gateway, _ = guarded
    refusals = gateway._server.config.app.state.parts.prompts.access.refusals()
    assert refusals[-1].action == f"judge {ROUND}"


@pytest.mark.parametrize(
    ("address", "button", "starts"),
    [
        (f"/results/judge/{ROUND}", "Judge this batch now", "every entry is checked, measured, critiqued"),
        (f"/results/tagger/{SHOOT}", "Tag these photos now", "every photo gets a caption, keywords"),
    ],
)
def test_the_button_that_starts_a_run_says_in_a_photographers_words_what_it_starts(
    visitor_of, address, button, starts
):
    page = visitor_of("publisher").get(address).text

    described = re.search(rf'<button aria-describedby="([^"]+)">{button}</button>', page)[1]
    assert starts in re.search(rf'id="{described}">([^<]+)<', page)[1]
    assert "no file is changed" in page
    assert "aterialize" not in page.replace(f"{address}/materialize", "")


def test_a_dagster_that_is_not_there_is_told_with_its_address(visitor_of):
    answer = visitor_of("publisher").post(f"/results/judge/{ROUND}/materialize")
    assert answer.status_code == 503
    assert "http://127.0.0.1:1" in answer.text


METADATA = f"/results/tagger/{SHOOT}/metadata"


def test_what_would_be_written_is_shown_with_the_persons_word_in_the_models_place(visitor_of):
    author = visitor_of("author")
    said = {"entry": f"{SHOOT}/IMG_1.jpg", "column": "caption", "value": "A trawler.", "reason": "It is one."}
    author.post(f"/results/tagger/{SHOOT}/override", **said)
    text = author.get(METADATA).text
    assert "1 would be written" in text
    assert re.search(r"A trawler\.\s*<span class=\"quiet\">by author-person", text)
    assert "Approve and write" not in text
    assert "Approve and write" in visitor_of("publisher").get(METADATA).text


@pytest.mark.parametrize("action", ["apply", "undo"])
def test_metadata_is_approved_by_publishers_alone_and_written_by_dagster(visitor_of, action):
    assert visitor_of("author").post(METADATA, action=action).status_code == 403
    answer = visitor_of("publisher").post(METADATA, action=action)
    assert answer.status_code == 503
    assert "http://127.0.0.1:1" in answer.text


def test_nothing_else_is_done_with_metadata(visitor_of):
    assert visitor_of("publisher").post(METADATA, action="erase").status_code == 404


def test_a_batch_is_published_by_a_publisher_after_being_asked(guarded, visitor_of):
    address = f"/results/tagger/{SHOOT}/publish"
    assert visitor_of("author").post(address).status_code == 403
    publisher = visitor_of("publisher")
    assert "Publish harbor?" in publisher.get(address).text
    answer = publisher.post(address)
    assert "published" in answer.text
    assert "by publisher-person" in answer.text
    gateway, _ = guarded
    with StateDatabase.open(gateway.settings) as database:
        assert batch(database, "tagger", SHOOT).state == "published"


def test_a_batch_without_a_result_is_not_published(guarded, visitor_of, tmp_path):
    gateway, _ = guarded
    with StateDatabase.open(gateway.settings) as database:
        register(database, pipeline="judge", name="not-yet", folder=tmp_path)
    publisher = visitor_of("publisher")
    assert "Nothing was made yet" in publisher.get("/results/judge/not-yet").text
    answer = publisher.post("/results/judge/not-yet/publish")
    assert answer.status_code == 409
    assert "has no result yet" in answer.text


@pytest.fixture
def dagster():
    """A server that keeps what it is asked and answers what it is told to."""
    asked, answers = [], []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            body = answers.pop(0)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_dagster_is_asked_for_one_partition_of_the_pipelines_job(dagster):
    url, asked, answers = dagster
    answers.append(b'{"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r-1"}}}}')
    assert launch(url, pipeline="judge", batch=ROUND, by="ada") == "r-1"
    ((path, said),) = asked
    params = said["variables"]["params"]
    assert path == "/graphql"
    assert params["selector"]["jobName"] == "judge"
    assert {"key": "dagster/partition", "value": ROUND} in params["executionMetadata"]["tags"]


def test_dagster_is_asked_for_some_assets_and_told_what_to_do(dagster):
    url, asked, answers = dagster
    answers.append(b'{"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": "r-2"}}}}')
    configured = {"tagger/metadata": {"action": "apply"}}
    launch(url, pipeline="tagger", batch=SHOOT, by="ada", assets=["tagger/metadata"], configured=configured)
    params = asked[0][1]["variables"]["params"]
    assert params["selector"]["assetSelection"] == [{"path": ["tagger", "metadata"]}]
    assert params["runConfigData"] == {"ops": {"tagger__metadata": {"config": {"action": "apply"}}}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b'{"data": {"launchRun": {"__typename": "PythonError", "message": "no such partition"}}}',
            "no such partition",
        ),
        (b'{"errors": [{"message": "bad query"}]}', "bad query"),
        (b"<html>", "is no Dagster"),
        (b"[]", "refuses the question"),
        (b'{"data": {"launchRun": null}}', "did not begin"),
        (b"x" * (1024 * 1024 + 1), "more than 1 MiB"),
    ],
)
def test_what_dagster_answers_otherwise_is_told_in_its_words(dagster, answer, words):
    url, _, answers = dagster
    answers.append(answer)
    with pytest.raises(BackendFailed, match=words):
        launch(url, pipeline="judge", batch=ROUND, by="ada")


def test_nobody_at_the_address_is_told_with_what_to_do():
    with pytest.raises(Unavailable, match="imageworks ui"):
        launch("http://127.0.0.1:1", pipeline="judge", batch=ROUND, by="ada")
