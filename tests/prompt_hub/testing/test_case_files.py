"""Test files: what is read, what is refused and where, and what names a set."""

from __future__ import annotations

import pytest

from prompt_hub.errors import CaseFileError, NothingToTest
from prompt_hub.hub import PromptHub
from prompt_hub.testing.case_files import load_case_sets, sets_by_profile

ASSERT = """\
      - description: made
        stage: caption
        vars: {{title: Low tide}}
        assert:
          - {}
"""


def problems(folder):
    with pytest.raises(CaseFileError) as refused:
        folder.sets()
    return [(problem.line, problem.field, problem.problem) for problem in refused.value.problems]


def test_a_test_file_beside_the_users_profiles_is_no_profile(tests_folder):
    tests_folder.one_set()
    assert PromptHub.load(tests_folder.prompts).profiles.keys() == PromptHub.load(None).profiles.keys()


def test_a_set_of_the_users_stands_in_for_a_shipped_one_of_its_name(tests_folder):
    tests_folder.write(
        "profile: library\nsets:\n  form:\n    mode: static\n    tests:\n"
        "      - {description: a, stage: caption, assert: [{type: words, max: 9}]}\n"
    )
    mine = {
        one.name: one.by_user for one in load_case_sets(tests_folder.prompts) if one.profile_id == "library"
    }
    assert mine == {"form": True, "prompt": False, "sense": False}


def test_one_set_in_two_files_of_the_users_is_refused(tests_folder):
    first = tests_folder.one_set()
    (tests_folder.path / "other.yaml").write_text(first.read_text())
    ((_, field, problem),) = problems(tests_folder)
    assert field == "sets.form"
    assert "made.yaml:3 already" in problem


@pytest.mark.parametrize(
    ("assertion", "field", "problem"),
    [
        ("{type: nope}", ".type", "'nope' is no type; types are equals, contains"),
        ("{type: contain, value: x}", ".type", "'contain' is no type; did you mean contains?"),
        ("{value: a}", "", "needs a type, one of"),
        ("{type: length}", "", "needs min or max"),
        ("{type: words, min: 3, max: 2}", "", "has a min above its max"),
        ("{type: words, min: -1}", ".min", "greater than or equal to 0"),
        (
            "{type: words, min: 1, maximum: 3}",
            ".maximum",
            "is not a field here; did you mean max? fields are weight, field, min, max",
        ),
        ("{type: contains, value: a, weight: 0}", ".weight", "greater than 0"),
        ("{type: contains, value: ''}", ".value", "holds no text"),
        ("{type: regex, value: '('}", ".value", "no regular expression of RE2"),
        ("{type: regex, value: '(?=a)'}", ".value", "has no lookaround"),
        ("{type: contains}", ".value", "is missing"),
        ("{type: length, max: 3, field: title}", ".type", "has a field that no prompt has"),
        ("{type: latency, max: 3}", ".type", "is about an answer, and a static set has none"),
    ],
)
def test_a_wrong_assertion_is_told_with_its_line_and_field(tests_folder, assertion, field, problem):
    tests_folder.one_set(ASSERT.format(assertion))
    found = problems(tests_folder)
    assert {(line, where) for line, where, _ in found} == {(10, f"sets.form.tests[0].assert[0]{field}")}
    assert any(problem in text for _, _, text in found), found


@pytest.mark.parametrize(
    ("assertion", "problem"),
    [
        ("{type: json-path, path: 'a b'}", "is no JSONPath"),
        ("{type: json-path, path: '$..a..b..c'}", "goes down with .. more than 2 times"),
        ("{type: json-path, path: '$..[?$..y]'}", "names the root $ more than once"),
        ("{type: json-path, path: \"$[?match(@.a, '(a+)+')]\"}", "is no JSONPath"),
        ("{type: language, value: klingon}", "is no language that can be told"),
        ("{type: schema, schema: {type: string, pattern: '(a+)+$'}}", "is not allowed in a schema here"),
        ("{type: schema, field: caption}", "needs a schema where it has a field"),
        ("{type: rubric, value: It is kind.}", "needs a grader"),
        ("{type: python, value: '../evil.py:run'}", "names no function"),
        ("{type: python, value: 'ours.py:run'}", "cannot be found"),
        ("{type: similar, value: a, threshold: 2}", "less than or equal to 1"),
    ],
)
def test_a_wrong_assertion_of_an_answer_is_refused(tests_folder, assertion, problem):
    tests_folder.one_set(ASSERT.format(assertion), mode="live")
    found = problems(tests_folder)
    assert any(problem in text for _, _, text in found), found


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"models": "[judge]"}, "is for live sets; a static one asks no model"),
        ({"repeat": 2}, "is for live sets"),
        ({"grader": "judge"}, "is for live sets"),
        ({"threshold": 0}, "greater than 0"),
        ({"bogus": 1}, "is not a field here; fields are mode, required_for, models"),
        ({"mode": "live", "required_for": "[production]"}, "needs models"),
        ({"required_for": "[staging, prodution]"}, "'prodution' is no label; did you mean production?"),
        ({"required_for": "[productoin]"}, "'productoin' is no label; did you mean production?"),
        ({"mode": "live", "grader": "judge"}, "is not used: no test of the set has a rubric"),
        ({"mode": "live", "repeat": 1000}, "less than or equal to 50"),
        ({"mode": "sometimes"}, "should be 'live' or 'static'"),
    ],
)
def test_an_option_that_is_wrong_or_not_used_is_refused(tests_folder, options, problem):
    tests_folder.one_set(**options)
    found = problems(tests_folder)
    assert any(problem in text for _, _, text in found), found


def test_two_tests_of_one_name_are_refused(tests_folder):
    tests_folder.one_set(ASSERT.format("{type: words, max: 9}") * 2)
    ((line, _, problem),) = problems(tests_folder)
    assert (line, problem) == (11, "is the name of another test of this set")


@pytest.mark.parametrize(
    "photo", ["../secret.jpg", "/etc/passwd", "a/b.jpg", ".hidden", "missing.jpg", "link.jpg"]
)
def test_no_photo_outside_of_its_folder_is_shown(tests_folder, tmp_path, photo):
    folder = tests_folder.path / "photos"
    folder.mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"?")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    case = ASSERT.format("{type: words, max: 9}").replace("vars:", f"photos: [{photo}]\n        vars:")
    tests_folder.one_set(case, mode="live")
    ((_, field, _),) = problems(tests_folder)
    assert field == "sets.form.tests[0].photos[0]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "profile: made",
        "profile: made\nsets: {}",
        "a: &a [*a]",
        "profile: ../x\nsets: {a: 1}",
        "\x00",
        "{" * 99,
    ],
)
def test_a_file_that_is_no_test_file_is_refused(tests_folder, text):
    tests_folder.write(text)
    assert problems(tests_folder)


def test_all_that_is_wrong_in_all_files_is_told_at_once(tests_folder):
    tests_folder.one_set(ASSERT.format("{type: nope}"))
    tests_folder.write("profile: 1\nsets: {}\n", "other.yaml")
    assert len(problems(tests_folder)) == 3


def test_a_set_is_named_by_what_is_run_and_its_photos_bytes(tests_folder):
    photo = tests_folder.path / "photos" / "a.jpg"
    photo.parent.mkdir(parents=True)
    case = ASSERT.format("{type: words, max: 9}").replace("vars:", "photos: [a.jpg]\n        vars:")

    def hashed(data, text=case, **options):
        photo.write_bytes(data)
        tests_folder.one_set(text, mode="live", **options)
        (one,) = tests_folder.sets()
        return one.hash

    first = hashed(b"one")
    assert hashed(b"one", required_for="[production]", models="[judge]") == first
    assert (
        len({first, hashed(b"two"), hashed(b"one", repeat=2), hashed(b"one", case.replace("tide", "water"))})
        == 4
    )


def test_sets_are_chosen_by_profile_and_name(tests_folder):
    tests_folder.one_set()
    sets = load_case_sets(tests_folder.prompts)
    chosen = sets_by_profile(sets, ["made", "library"], ["form"])
    assert [one.name for one in chosen["made"]] == ["form"]
    assert [one.name for one in chosen["library"]] == ["form"]
    with pytest.raises(NothingToTest, match=r"No set nope of tests is there for made. Their sets are: form"):
        sets_by_profile(sets, ["made"], ["nope"])


def test_the_shipped_tests_are_of_shipped_profiles():
    assert {one.profile_id for one in load_case_sets(None)} == {
        "club-judge",
        "library",
        "self-checking-judge",
        "storyteller",
    }


def test_a_file_for_a_profile_that_is_not_there_tests_nothing_and_is_broken(tests_folder):
    tests_folder.write(
        "profile: libary\nsets:\n  form:\n    mode: static\n    required_for: [production]\n    tests:\n"
        "      - {description: a, stage: caption, assert: [{type: words, max: 9}]}\n"
    )
    with pytest.raises(CaseFileError) as refused:
        load_case_sets(tests_folder.prompts, PromptHub.load(None).profiles)
    (problem,) = refused.value.problems
    assert (problem.line, problem.field) == (1, "profile")
    assert "there is no profile 'libary'; did you mean library?" in problem.problem
