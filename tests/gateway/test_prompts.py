"""Prompts over the gateway: read, rendered, saved, labeled and edited."""

from __future__ import annotations

import httpx
import pytest

from store.database import StateDatabase
from store.tables import gateway_audit

VARIABLES = {"signals": "Sharpness: sharp (150)", "existing_keywords": [], "folder_words": []}
BIRDS = "id: birds\nextends: library\ndescription: Birds alone.\n"
REQUIRING = """profile: birds
sets:
  needed:
    mode: static
    required_for: [production]
    tests:
      - description: it says something
        stage: caption
        vars: {signals: "x", existing_keywords: [], folder_words: []}
        assert: [{type: contains, value: x}]
"""


@pytest.fixture
def birds(gateway, client):
    """A profile of the user's, which the gateway serves."""
    answer = client.put("/v1/prompts/birds/file", json={"text": BIRDS, "expected": None})
    assert answer.status_code == 200, answer.text
    return answer.json()


def error_of(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def save(client, message="First."):
    answer = client.post("/v1/prompts/birds/revisions", json={"message": message})
    assert answer.status_code == 200, answer.text
    return answer.json()["profile_hash"]


def rewrite(client, digest, words):
    body = {"text": BIRDS.replace("Birds alone.", words), "expected": digest}
    return client.put("/v1/prompts/birds/file", json=body).json()["digest"]


def test_all_prompts_are_listed_with_hashes_labels_and_tests(client, birds):
    client.put("/v1/prompts/birds/labels/staging", json={"ref": "birds"})
    said = client.get("/v1/prompts").json()
    cards = {card["id"]: card for card in said["data"]}
    assert said["prompt_hub_version"] == birds["prompt_hub_version"]
    assert cards["library"]["layer"] == "shipped"
    assert cards["birds"]["layer"] == "user"
    assert cards["birds"]["labels"] == {"staging": cards["birds"]["profile_hash"]}
    assert cards["birds"]["tests"] == "untested"
    assert set(cards["birds"]["stages"]) >= {"caption", "keywords", "description"}


def test_a_prompt_is_shown_as_its_files_say_it_and_as_it_was_kept(client, birds):
    profile_hash = save(client)
    now = client.get("/v1/prompts/birds").json()
    kept = client.get(f"/v1/prompts/birds@{profile_hash[:12]}").json()
    assert now["profile"] == kept["profile"]
    assert now["kept"] is None
    assert kept["kept"]["message"] == "First."
    assert now["layers"]["description"] == "user: birds.yaml"
    assert all(file.startswith(("shipped: ", "user: ")) for file in now["layers"].values())


def test_a_stage_is_rendered_without_asking_a_model(client, double):
    body = {"stage": "caption", "variables": VARIABLES}
    said = client.post("/v1/prompts/library/render", json=body).json()
    assert said["messages"][0]["role"] == "system"
    assert "Sharpness: sharp (150)" in said["messages"][1]["content"]
    assert said["images"] == 1
    assert said["output_schema"]["properties"]["caption"]
    assert not double.history


@pytest.mark.parametrize(
    ("ref", "body", "status", "param"),
    [
        ("nobody", {"stage": "caption"}, 404, "ref"),
        ("library@production", {"stage": "caption"}, 404, "ref"),
        ("library@", {"stage": "caption"}, 400, "ref"),
        ("library", {"stage": "nothing"}, 404, "variables"),
        ("library", {"stage": "caption", "variables": {}}, 400, "variables"),
        ("library", {}, 400, "stage"),
        ("library", {"stage": "caption", "more": 1}, 400, "more"),
    ],
)
def test_what_cannot_be_rendered_is_refused(client, ref, body, status, param):
    assert error_of(client.post(f"/v1/prompts/{ref}/render", json=body), status)["param"] == param


def test_a_revision_is_saved_once(client, birds):
    first = client.post("/v1/prompts/birds/revisions", json={"message": "First."}).json()
    again = client.post("/v1/prompts/birds/revisions", json={"message": "Again."}).json()
    assert first["new"] is True
    assert again == {**first, "new": False}


def test_a_revision_is_of_what_the_files_say_though_it_is_not_served_yet(client, birds, gateway):
    (gateway.settings.home / "prompts" / "birds.yaml").write_text(BIRDS.replace("alone", "together"))
    profile_hash = save(client)
    assert client.get("/v1/prompts/birds").json()["profile_hash"] != profile_hash
    kept = client.get(f"/v1/prompts/birds@{profile_hash}").json()
    assert kept["profile"]["description"] == "Birds together."


def test_a_label_is_moved_and_rolled_back_and_its_history_tells(client, birds):
    first = save(client)
    client.put("/v1/prompts/birds/labels/production", json={"hash": first[:12], "why": "Good."})
    rewrite(client, birds["digest"], "More birds.")
    moved = client.put("/v1/prompts/birds/labels/production", json={"ref": "birds", "why": "Better."}).json()
    assert moved["from_hash"] == first
    second = moved["to_hash"]
    back = client.post("/v1/prompts/birds/labels/production/rollback", json={"why": "Worse."}).json()
    assert (back["from_hash"], back["to_hash"]) == (second, first)
    told = client.get("/v1/prompts/birds/history").json()
    assert [move["why"] for move in told["moves"]] == ["Worse.", "Better.", "Good."]
    assert [one["profile_hash"] for one in told["revisions"]] == [second, first]
    assert told["revisions"][1]["labels"] == ["production"]


def test_a_label_is_taken_away_and_its_history_stays(client, birds):
    client.put("/v1/prompts/birds/labels/staging", json={"ref": "birds"})
    gone = client.delete("/v1/prompts/birds/labels/staging", params={"why": "Not needed."}).json()
    assert gone["to_hash"] is None
    assert client.get("/v1/prompts/birds@staging").status_code == 404
    assert client.get("/v1/prompts/birds/history").json()["moves"][0]["why"] == "Not needed."


def test_of_two_who_move_a_label_the_second_is_told(client, birds):
    first = save(client)
    client.put("/v1/prompts/birds/labels/staging", json={"hash": first})
    rewrite(client, birds["digest"], "More birds.")
    second = save(client, "Second.")
    body = {"hash": second, "expected": first}
    assert client.put("/v1/prompts/birds/labels/staging", json=body).status_code == 200
    error = error_of(client.put("/v1/prompts/birds/labels/staging", json=body), 409)
    assert error["code"] == "moved_meanwhile"


def test_a_label_that_requires_tests_says_what_is_missing(client, birds, gateway):
    folder = gateway.settings.home / "prompts" / "tests"
    folder.mkdir()
    (folder / "birds.yaml").write_text(REQUIRING)
    body = {"ref": "birds", "why": "At once."}
    error = error_of(client.put("/v1/prompts/birds/labels/production", json=body), 409)
    assert error["code"] == "promotion_refused"
    assert "needed has not passed" in error["message"]
    moved = client.put("/v1/prompts/birds/labels/production", json={**body, "override": True}).json()
    assert "needed has not passed" in moved["overrode"]


def test_what_came_of_tests_is_told(client, birds):
    said = client.get("/v1/prompts/birds/tests").json()
    assert said["state"] == "untested"
    assert said["results"] == []


@pytest.mark.parametrize(
    ("label", "body", "status"),
    [
        ("staging", {}, 400),
        ("staging", {"ref": "birds", "hash": "abcdef"}, 400),
        ("staging", {"ref": "library"}, 400),
        ("staging", {"hash": "abcdef"}, 404),
        ("staging", {"ref": "birds@nothing"}, 404),
        ("Bad Name", {"ref": "birds"}, 400),
        ("abcdef12", {"ref": "birds"}, 400),
    ],
)
def test_a_label_that_cannot_be_moved_says_why(client, birds, label, body, status):
    assert client.put(f"/v1/prompts/birds/labels/{label}", json=body).status_code == status


def test_a_label_that_was_never_moved_cannot_be_rolled_back(client, birds):
    client.put("/v1/prompts/birds/labels/staging", json={"ref": "birds"})
    answer = client.post("/v1/prompts/birds/labels/staging/rollback", json={"why": "x"})
    assert error_of(answer, 409)["code"] == "nothing_to_roll_back"
    assert client.post("/v1/prompts/birds/labels/other/rollback", json={"why": "x"}).status_code == 404


def test_a_file_is_saved_only_over_what_its_editor_has_read(client, birds):
    read = client.get("/v1/prompts/birds/file").json()
    assert read["text"] == BIRDS
    assert read["digest"] == birds["digest"]
    digest = rewrite(client, read["digest"], "Mine.")
    stale = client.put("/v1/prompts/birds/file", json={"text": BIRDS, "expected": read["digest"]})
    assert error_of(stale, 409)["code"] == "moved_meanwhile"
    assert client.get("/v1/prompts/birds/file").json()["digest"] == digest
    assert client.get("/v1/prompts/birds").json()["profile"]["description"] == "Mine."


def test_a_broken_file_is_not_saved_and_each_problem_has_its_place(client, birds):
    text = BIRDS + "stages:\n  caption:\n    user: '{{ nobody }}'\n"
    error = error_of(
        client.put("/v1/prompts/birds/file", json={"text": text, "expected": birds["digest"]}), 400
    )
    assert error["code"] == "broken_files"
    (problem, *_) = error["problems"]
    assert problem["file"].endswith("birds.yaml")
    assert problem["line"] == 6
    assert "caption" in problem["field"]
    assert client.get("/v1/prompts/birds/file").json()["text"] == BIRDS


@pytest.mark.parametrize("name", ["Bad", "..", "a/b", "x" * 61])
def test_a_name_that_is_no_id_names_no_file(client, name, gateway):
    body = {"text": BIRDS, "expected": None}
    answer = client.put(f"/v1/prompts/{name.replace('/', '%2F')}/file", json=body)
    assert answer.status_code in {400, 404}
    assert not list(gateway.settings.home.glob("prompts/*.yaml"))


def test_changes_are_recorded_with_the_request_that_made_them(client, birds, gateway):
    client.put("/v1/prompts/birds/labels/staging", json={"ref": "birds"}, headers={"x-request-id": "mine-1"})
    client.delete("/v1/prompts/birds/labels/staging")
    said = client.get("/v1/audit").json()["data"]
    assert [(change["action"], change["subject"]) for change in said] == [
        ("prompt.unlabel", "birds@staging"),
        ("prompt.label", "birds@staging"),
        ("prompt.file", "birds"),
    ]
    assert said[1]["request_id"] == "mine-1"
    with StateDatabase.open(gateway.settings) as database, database.read() as connection:
        assert connection.execute(gateway_audit.select()).rowcount != 0


@pytest.fixture
def keyed(opened, tmp_path):
    """A gateway whose callers have roles; gives a client of a role."""
    with opened() as probe:
        keys = {role: probe.key_of(role, role=role) for role in ("admin", "publisher", "author", "viewer")}
    with opened() as gateway, httpx.Client(base_url=gateway.url, timeout=30) as client:

        def as_role(role, method, path, **sent):
            return client.request(method, path, headers={"Authorization": f"Bearer {keys[role]}"}, **sent)

        yield as_role


def test_roles_decide_who_may_change_what(keyed):
    file = {"text": BIRDS, "expected": None}
    label = {"ref": "birds", "why": "x"}
    error_of(keyed("viewer", "PUT", "/v1/prompts/birds/file", json=file), 403)
    assert keyed("author", "PUT", "/v1/prompts/birds/file", json=file).status_code == 200
    error_of(keyed("viewer", "POST", "/v1/prompts/birds/revisions", json={"message": "x"}), 403)
    error_of(keyed("viewer", "PUT", "/v1/prompts/birds/labels/staging", json=label), 403)
    assert keyed("author", "PUT", "/v1/prompts/birds/labels/staging", json=label).status_code == 200
    error_of(keyed("viewer", "DELETE", "/v1/prompts/birds/labels/staging"), 403)
    error_of(keyed("viewer", "POST", "/v1/prompts/birds/labels/staging/rollback", json={"why": "x"}), 403)
    assert keyed("viewer", "GET", "/v1/prompts/birds@staging").status_code == 200
    error_of(keyed("author", "GET", "/v1/audit"), 403)
    last = keyed("admin", "GET", "/v1/audit").json()["data"][0]
    assert (last["who"], last["action"]) == ("author", "prompt.label")


def test_whoever_asks_is_told_who_they_are(keyed, client):
    said = keyed("publisher", "GET", "/v1/whoami").json()
    assert (said["name"], said["role"]) == ("publisher", "publisher")
    assert said["key_id"]


def test_on_ones_own_machine_one_is_an_admin(client):
    said = client.get("/v1/whoami").json()
    assert said["role"] == "admin"
    assert said["key_id"] is None
