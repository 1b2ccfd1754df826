"""The analysts' guide: its dictionary is current, and every question is answered twice with the same rows."""

from __future__ import annotations

import re

import duckdb
import pandas as pd
import pytest

from telemetry.compaction import compact
from telemetry.dictionary import with_dictionary

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(r"^### (\d+)\. (.+?)$(.*?)(?=^##)", re.MULTILINE | re.DOTALL)


def _plain(frame: pd.DataFrame) -> list[tuple]:
    def value(cell):
        if pd.isna(cell):
            return None
        if isinstance(cell, pd.Timestamp):
            return cell.date()
        return round(float(cell), 6) if isinstance(cell, float) else cell

    return [tuple(value(cell) for cell in row) for row in frame.itertuples(index=False)]


def test_the_dictionary_in_the_guide_is_current(document):
    text = document.read_text(encoding="utf-8")
    assert text == with_dictionary(text), "run `python -m telemetry dictionary docs/analysts.md`"


@pytest.mark.parametrize("compacted", [False, True])
def test_ten_questions_have_the_same_answer_in_sql_and_pandas(document, made_home, monkeypatch, compacted):
    home, _ = made_home
    monkeypatch.setenv("IMAGEWORKS_HOME", str(home.root))
    if compacted:
        compact(home)
    text = document.read_text(encoding="utf-8")
    names: dict = {}
    (setup,) = [
        code
        for language, code in _BLOCK.findall(text.partition("## What there is")[0])
        if language == "python"
    ]
    exec(setup, names)
    questions = _QUESTION.findall(text)
    assert [int(number) for number, _, _ in questions] == list(range(1, 11))
    with names["connection"] as connection:
        for number, title, answer in questions:
            blocks = dict(_BLOCK.findall(answer))
            assert set(blocks) == {"sql", "python"}, title
            by_sql = connection.sql(blocks["sql"]).df()
            exec(blocks["python"], names)
            assert list(by_sql.columns) == list(names["answer"].columns), number
            assert _plain(by_sql), f"question {number} has no rows in the made-up home"
            assert _plain(by_sql) == _plain(names["answer"]), number


def test_plain_duckdb_reads_the_parquet_as_the_guide_says(document, made_home, monkeypatch):
    home, _ = made_home
    compact(home)
    monkeypatch.chdir(home.root.parent)
    home.root.rename(home.root.parent / ".imageworks")
    before = document.read_text(encoding="utf-8").partition("## What there is")[0]
    (query,) = [code for language, code in _BLOCK.findall(before) if language == "sql"]
    assert [count for _, count in duckdb.sql(query).fetchall()] == [8]
