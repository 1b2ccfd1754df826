from __future__ import annotations

import csv
import io
import json

import pytest

from imageworks.judge_vision.result_files import EntryWords, results_csv, results_json
from imageworks.judge_vision.results import Result, ResultRow

WORDS = {
    "round/a": EntryWords("Dawn", "Ann Lee", "Mono/Dawn by Ann Lee.jpg"),
    "round/b": EntryWords("DSC1", None, "DSC1.jpg", ("It is too wide.", "Its name says no category.")),
}
RESULT = Result(
    rows=(ResultRow(entry_id="round/a", category="Mono", place=1), ResultRow(entry_id="round/b")),
    explanation=("Ranked by score alone.",),
)


def test_the_csv_says_whom_to_write_to_about_what():
    first, second = csv.DictReader(io.StringIO(results_csv(RESULT.rows, WORDS), newline=""))
    assert (first["title"], first["author"], first["file"]) == ("Dawn", "Ann Lee", "Mono/Dawn by Ann Lee.jpg")
    assert (first["category"], first["findings"]) == ("Mono", "")
    assert (second["author"], second["findings"]) == ("", "It is too wide. Its name says no category.")


def test_the_json_says_the_same_and_holds_the_whole_result():
    told = json.loads(results_json(RESULT, WORDS))
    first, second = told["rows"]
    assert (first["title"], first["author"], first["file"]) == ("Dawn", "Ann Lee", "Mono/Dawn by Ann Lee.jpg")
    assert (second["author"], second["findings"]) == (None, list(WORDS["round/b"].findings))
    own = {name: value for name, value in first.items() if name in ResultRow.model_fields}
    assert Result.model_validate(told | {"rows": [own]}).rows == RESULT.rows[:1]
    assert told["explanation"] == ["Ranked by score alone."]


def test_the_csv_keeps_formulas_and_line_breaks_from_taking_effect():
    rows = [
        ResultRow(entry_id="=cmd|'x'!A1", place=1, score=20),
        ResultRow(entry_id="b,\n2", reason='say "no"'),
    ]
    read = list(
        csv.DictReader(io.StringIO(results_csv(rows, {"b,\n2": EntryWords(title="-1+1")}), newline=""))
    )
    assert read[0]["entry_id"] == "'=cmd|'x'!A1"
    assert read[1]["entry_id"] == "b, 2"
    assert read[1]["title"] == "'-1+1"
    assert read[1]["reason"] == 'say "no"'
    assert read[0]["strength"] == ""


@pytest.mark.parametrize("sign", [*"=+-@", *"＝＋－＠", *"﹦﹢﹣﹫"])  # noqa: RUF001 - the wide and small ones are meant
def test_no_cell_begins_with_a_formulas_sign_of_any_width(sign):
    rows = [ResultRow(entry_id=f"{sign}1+1")]
    (read,) = csv.DictReader(io.StringIO(results_csv(rows), newline=""))
    assert read["entry_id"] == f"'{sign}1+1"
