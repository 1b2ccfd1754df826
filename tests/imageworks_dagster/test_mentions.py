"""Rows of other photos lose what they say of a forgotten one, and nothing else."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from imageworks.judge_vision.findings import evidence_name
from imageworks_dagster.judging.mentions import unmentioning
from imageworks_dagster.stages import canonical

GONE, HERE, OTHER = "a" * 64, "b" * 64, "c" * 64
NAMED = "It is the same picture as “The “great” cat.png”, edited or saved anew."


def finding(rule, *photo_ids, message=NAMED):
    found = {"rule": rule, "verdict": "query", "message": message, "measured": "spring/The cat.png"}
    return {**found, "evidence": evidence_name(rule, *photo_ids)}


def compliance(*findings, photo_id=HERE):
    return pa.table({"entry_id": ["b/x"], "photo_id": [photo_id], "findings": [canonical(list(findings))]})


@pytest.mark.parametrize(
    ("rule", "photo_ids"),
    [("near_duplicate", (GONE, HERE)), ("near_duplicate", (HERE, GONE)), ("reuse", (HERE, GONE))],
)
def test_a_finding_about_a_forgotten_photo_keeps_its_verdict_and_loses_name_and_picture(rule, photo_ids):
    other = finding("near_duplicate", HERE, OTHER)
    others = compliance(finding(rule, *photo_ids), other)
    after = unmentioning([GONE])("judge/compliance", others, others.slice(0, 0))
    left, kept = json.loads(after["findings"][0].as_py())
    assert left["message"] == "It is the same picture as a photo that was forgotten, edited or saved anew."
    assert left["verdict"] == "query"
    assert "evidence" not in left
    assert (left["measured"] == "a photo that was forgotten") is (rule == "reuse")
    assert kept == other


def test_a_table_that_says_nothing_of_it_is_left_as_it_is():
    others = compliance(finding("near_duplicate", HERE, OTHER), photo_id=HERE)
    assert unmentioning([GONE])("judge/compliance", others, others.slice(0, 0)) is others
    assert unmentioning([GONE])("judge/entries", others, others) is others
    unread = pa.table({"entry_id": ["b/x"], "photo_id": pa.array([None], pa.string()), "findings": ["[]"]})
    assert unmentioning([GONE])("judge/compliance", unread, unread.slice(0, 0)) is unread


def test_comparisons_with_a_forgotten_entry_go_and_nobody_is_tied_with_it():
    forgotten = pa.table({"entry_id": ["b/gone"], "photo_id": [GONE]})
    games = pa.table({"entry_id": ["b/x", "b/x"], "photo_id": [HERE, HERE], "opponent_id": ["b/gone", "b/y"]})
    after = unmentioning([GONE])("judge/playoff", games, forgotten)
    assert after["opponent_id"].to_pylist() == ["b/y"]
    results = pa.table(
        {"entry_id": ["b/x", "b/y"], "photo_id": [HERE, OTHER], "tied_with": [["b/gone", "b/y"], None]}
    )
    assert unmentioning([GONE])("judge/results", results, forgotten)["tied_with"].to_pylist() == [
        ["b/y"],
        None,
    ]
