"""Labelled examples, read in bounds and split by a seed."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from prompt_hub.errors import BadExamples
from prompt_hub.improving.examples import read_examples

ROWS = [{"title": f"Entry {number}", "score": number, "keywords": ["sea", "sky"]} for number in range(10)]


def test_every_format_holds_the_same_examples(profile_of, tmp_path):
    table = pa.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "a.parquet")
    flat = [{**row, "keywords": ";".join(row["keywords"])} for row in ROWS]
    csv.write_csv(pa.Table.from_pylist(flat), tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    read = [
        read_examples(tmp_path / f"a.{kind}", profile_of(images=0), "caption").rows
        for kind in ("parquet", "csv", "jsonl")
    ]
    assert read[0] == read[1] == read[2]
    assert read[0][3].values == {"title": "Entry 3"}
    assert (read[0][3].score, read[0][3].keywords) == (3.0, ("sea", "sky"))


def test_a_seed_splits_the_same_way_and_no_example_is_on_both_sides(profile_of, tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    examples = read_examples(tmp_path / "a.jsonl", profile_of(images=0), "caption")
    train, held = examples.split(0.3, 7)
    assert examples.split(0.3, 7) == (train, held)
    assert examples.split(0.3, 8) != (train, held)
    assert {one.number for one in train} | {one.number for one in held} == set(range(10))
    assert len(held) == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"score": 1}', "needs title"),
        ('{"title": null}', "misses its schema"),
        ('{"title": "a", "score": "much"}', "example 1"),
        ('{"title": "a", "score": NaN}', "not a finite number"),
        ("[1]", "no JSON object"),
        ("{", "cannot be read"),
        ('{"title": "a"}', "makes? 1|to learn from"),
    ],
)
def test_what_cannot_be_asked_about_is_refused(profile_of, tmp_path, text, problem):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(BadExamples, match=problem):
        read_examples(tmp_path / "a.jsonl", profile_of(images=0), "caption").split(0.3, 0)


@pytest.mark.parametrize("photo", ["../secret.jpg", "/etc/passwd", "link.jpg", "none.jpg", None])
def test_a_photo_from_elsewhere_is_refused(profile_of, tmp_path, photo):
    (tmp_path / "secret.jpg").write_bytes(b"x")
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "a.jsonl").write_text(json.dumps({"title": "a", "photo": photo}), encoding="utf-8")
    with pytest.raises(BadExamples, match="photo"):
        read_examples(folder / "a.jsonl", profile_of(images=1), "caption")


def test_other_files_and_none_are_refused(profile_of, tmp_path):
    (tmp_path / "a.pickle").write_bytes(b"x")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    for name in ("a.pickle", "a.parquet", "none.csv"):
        with pytest.raises(BadExamples):
            read_examples(tmp_path / name, profile_of(images=0), "caption")
