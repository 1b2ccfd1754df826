"""Layers, inheritance and where fields come from."""

from __future__ import annotations

import pickle

import pytest

from prompt_hub.errors import ProfileCycle, ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.layers import MAX_PARENTS, SHIPPED, unread_files

BIRDS = """\
id: birds
extends: library
description: For birders.
partials:
  no_ornament: Plain words.
stages:
  caption:
    parameters:
      temperature: 0
"""


def problems(folder, *files):
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(folder, files=files)
    return caught.value.problems


def only_problem(folder, *files):
    found = problems(folder, *files)
    assert len(found) == 1, found
    return found[0]


def test_no_user_layer_and_a_folder_that_is_not_there_are_the_same(tmp_path):
    assert PromptHub.load(tmp_path / "nothing").version == PromptHub.load(None).version


def test_a_user_profile_takes_what_it_does_not_say_from_its_parent(user_folder):
    user_folder.write("birds.yaml", BIRDS)
    hub = PromptHub.load(user_folder.path)
    birds, library = hub.get("birds"), hub.get("library")
    assert birds.application == "personal_tagger"
    assert birds.extends == "library"
    assert birds.stage("caption").parameters == {**library.stage("caption").parameters, "temperature": 0}
    assert "Plain words." in birds.stage("caption").system
    assert birds.stage("keywords") == library.stage("keywords")
    assert library.hash == PromptHub.load(None).get("library").hash


def test_a_user_file_changes_a_shipped_profile_field_by_field_and_what_extends_it(user_folder):
    user_folder.write("mine.yml", "id: house\npartials:\n  json_rule: JSON, please.\n")
    before, after = PromptHub.load(None), PromptHub.load(user_folder.path)
    for profile_id in ("club-judge", "library", "storyteller"):
        assert "JSON, please." in after.get(profile_id).stage(next(iter(after.get(profile_id).stages))).system
        assert after.get(profile_id).hash != before.get(profile_id).hash


def test_an_edit_of_one_stage_changes_the_hash_of_that_stage_alone(user_folder):
    user_folder.write("mine.yaml", "id: library\nstages:\n  keywords:\n    parameters: {temperature: 0.3}\n")
    before, after = PromptHub.load(None).get("library"), PromptHub.load(user_folder.path).get("library")
    changed = {name for name in before.stages if before.stage_hash(name) != after.stage_hash(name)}
    assert changed == {"keywords"}
    assert before.hash != after.hash


def test_null_takes_a_field_away(user_folder):
    user_folder.write(
        "mine.yaml",
        "id: birds\nextends: library\nstages: {caption: null, keywords: {parameters: {max_output_tokens: null}}}\n",
    )
    hub = PromptHub.load(user_folder.path)
    assert list(hub.get("birds").stages) == ["keywords", "description"]
    kept = hub.get("library").stage("keywords").parameters.keys() - {"max_output_tokens"}
    assert hub.get("birds").stage("keywords").parameters.keys() == kept
    assert not any(field.startswith("stages.caption") for field in hub.provenance["birds"])


def test_a_profile_can_be_made_to_extend_nothing(user_folder):
    stages = "stages:\n  caption: {system: x}\n  description: {system: x}\n"
    user_folder.write("mine.yaml", f"id: storyteller\nextends: null\napplication: personal_tagger\n{stages}")
    assert "stages.caption.output" in [problem.field for problem in problems(user_folder.path)]


def test_what_a_user_file_takes_away_is_missed_in_what_extends_it_too(user_folder):
    user_folder.write("mine.yaml", "id: library\nstages: {keywords: {variables: {caption: null}}}\n")
    found = problems(user_folder.path)
    assert [(problem.field, problem.problem.rpartition("(")[2]) for problem in found] == [
        ("stages.keywords.user", "profile library)"),
        ("stages.keywords.user", "profile storyteller)"),
    ]


def test_every_field_has_its_file(user_folder):
    file = str(user_folder.write("birds.yaml", BIRDS))
    fields = PromptHub.load(user_folder.path).provenance["birds"]
    library = str(SHIPPED / "personal_tagger" / "library.yaml")
    assert fields["id"] == fields["description"] == fields["partials.no_ornament"] == file
    assert fields["stages.caption.parameters.temperature"] == file
    assert fields["stages.caption.parameters.top_p"] == library
    assert fields["stages.caption.user"] == fields["application"] == library
    assert fields["partials.json_rule"] == str(SHIPPED / "base" / "house.yaml")


def test_files_to_try_stand_above_the_user_layer_one_after_the_other(user_folder, tmp_path):
    user_folder.write("a.yaml", "id: library\ndescription: from the layer\n")
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("id: library\ndescription: first\n", encoding="utf-8")
    second.write_text("id: library\ndescription: second\n", encoding="utf-8")
    assert PromptHub.load(user_folder.path, files=[first, second]).get("library").description == "second"


def test_hidden_files_and_other_files_are_left_alone(user_folder):
    user_folder.write(".#mine.yaml", "not: a profile\n")
    user_folder.write("notes.txt", "not a profile")
    assert PromptHub.load(user_folder.path).version == PromptHub.load(None).version


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("", 1, "", "holds no profile"),
        ("- a\n", 1, "", "holds no profile"),
        ("id: a\nid: b\n", 2, "id", "stands twice"),
        ("stages: {}\n", 1, "id", "is missing"),
        ("id: My Profile\n", 1, "id", "lower-case"),
        ("id: a\napplication: other\n", 2, "application", "judge_vision"),
        ("id: a\nbase_url: http://x\n", 2, "base_url", "not a field here; fields are id, application"),
        ("id: library\nstages:\n  caption:\n    headers: {}\n", 4, "stages.caption.headers", "not a field"),
        ("id: library\nstages:\n  caption:\n    api_key: x\n", 4, "stages.caption.api_key", "not a field"),
        ("id: library\nstages:\n  caption:\n    endpoint: x\n", 4, "stages.caption.endpoint", "registry"),
        ("id: library\nstages:\n  caption:\n    images: one\n", 4, "stages.caption.images", "valid integer"),
        ("id: library\nstages:\n  caption:\n    images: 20\n", 4, "stages.caption.images", "less than"),
        (
            "id: library\nstages:\n  caption:\n    variables:\n      signals:\n        path: /etc\n",
            6,
            "stages.caption.variables.signals.path",
            "fields are description, schema, required",
        ),
        (
            "id: library\nstages:\n  caption:\n    parameters:\n      max_tokens: 3\n",
            4,
            "stages.caption.parameters",
            "max_tokens is not a parameter",
        ),
        (
            "id: library\nstages:\n  caption:\n    output:\n      properties:\n        mood: {type: string}\n",
            4,
            "stages.caption.output",
            "must list every field",
        ),
        (
            "id: library\nstages:\n  caption:\n    user: |\n      one\n      {{ nothing }}\n",
            4,
            "stages.caption.user",
            "line 2 of the text: uses 'nothing', which is not declared",
        ),
        (
            "id: library\nstages:\n  caption:\n    user: '{% set a = 1 %}'\n",
            4,
            "stages.caption.user",
            "sets a variable",
        ),
        (
            "id: library\nstages:\n  caption:\n    system: '{% include \"opener\" %}'\n",
            4,
            "stages.caption.system",
            "did you mean 'openers'",
        ),
        ("id: library\nstages:\n  mood: {}\n", 3, "stages.mood.user", "is missing"),
        ("id: a\nextends: libary\n", 2, "extends", "did you mean library?"),
        ("id: a\napplication: base\nstages: {Caption: {}}\n", 3, "stages.Caption", "lower-case"),
    ],
)
def test_a_broken_file_is_named_with_line_and_field(user_folder, text, line, field, words):
    file = user_folder.write("mine.yaml", text)
    found = [problem for problem in problems(user_folder.path) if problem.field == field]
    assert found, problems(user_folder.path)
    assert (found[0].file, found[0].line) == (str(file), line)
    assert words in found[0].problem


def test_all_that_is_wrong_is_told_at_once(user_folder):
    user_folder.write("a.yaml", "id: a\nnonsense: 1\nmore: 2\n")
    user_folder.write("b.yaml", "id: [\n")
    assert len(problems(user_folder.path)) == 3


def test_one_id_in_two_files_of_a_layer_is_refused(user_folder):
    user_folder.write("a.yaml", "id: library\ndescription: a\n")
    file = user_folder.write("b.yaml", "# b\nid: library\ndescription: b\n")
    problem = only_problem(user_folder.path)
    assert (problem.file, problem.line, problem.field) == (str(file), 2, "id")
    assert "a.yaml" in problem.problem


def test_a_circle_of_profiles_is_named(user_folder):
    user_folder.write("a.yaml", "id: a\nextends: b\n")
    user_folder.write("b.yaml", "id: b\nextends: c\n")
    user_folder.write("c.yaml", "id: c\nextends: a\n")
    with pytest.raises(ProfileCycle, match="a → b → c → a") as caught:
        PromptHub.load(user_folder.path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == (str(user_folder.path / "a.yaml"), 2, "extends")


def test_a_shipped_profile_that_a_user_file_lets_extend_itself_is_a_circle(user_folder):
    user_folder.write("a.yaml", "id: house\nextends: storyteller\n")
    with pytest.raises(ProfileCycle) as caught:
        PromptHub.load(user_folder.path)
    assert caught.value.problems[0].file == str(user_folder.path / "a.yaml")


def test_a_circle_of_partials_is_named(user_folder):
    user_folder.write("a.yaml", "id: library\npartials: {openers: '{% include \"openers\" %}'}\n")
    with pytest.raises(ProfileCycle, match="openers → openers") as caught:
        PromptHub.load(user_folder.path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == (
        str(user_folder.path / "a.yaml"),
        2,
        "partials.openers",
    )


def test_a_misspelt_field_is_told_with_the_nearest(user_folder):
    user_folder.write("a.yaml", "id: a\nextnds: library\nstages: {caption: {usr: x, imags: 1}}\n")
    told = {problem.field: problem.problem for problem in problems(user_folder.path)}
    assert "did you mean extends?" in told["extnds"]
    assert "did you mean user?" in told["stages.caption.usr"]
    assert "did you mean images?" in told["stages.caption.imags"]


def test_a_misspelt_stage_is_told_once_with_the_nearest(user_folder):
    user_folder.write(
        "a.yaml", "id: a\nextends: library\nstages:\n  captoin: {parameters: {temperature: 0}}\n"
    )
    problem = only_problem(user_folder.path)
    assert (problem.line, problem.field) == (4, "stages.captoin")
    assert "is none of the stages caption, keywords, description; did you mean caption?" in problem.problem
    assert "it lacks user and output" in problem.problem


def test_a_broken_file_says_that_nothing_else_can_be_used_and_one_that_is_only_tried_does_not(user_folder):
    file = user_folder.write("a.yaml", "id: a\nnonsense: 1\n")
    with pytest.raises(ProfileFileError, match=f"No profile can be used until .* {file} is moved out"):
        PromptHub.load(user_folder.path)
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(None, files=[file])
    assert "No profile" not in str(caught.value)


def test_what_lies_among_profiles_and_is_not_read_is_known(user_folder):
    for name in ("a.yaml", "b.yml", "c.yaml.txt", "D.YAML", "notes.md", ".hidden", "e.yaml~"):
        user_folder.write(name, "")
    assert [path.name for path in unread_files(user_folder.path)] == ["D.YAML", "c.yaml.txt"]
    assert unread_files(user_folder.path / "nowhere") == ()


def test_a_long_line_of_parents_is_refused(user_folder):
    for number in range(MAX_PARENTS + 2):
        user_folder.write(f"p{number:02}.yaml", f"id: p{number:02}\nextends: p{number + 1:02}\n")
    user_folder.write("last.yaml", f"id: p{MAX_PARENTS + 2:02}\napplication: base\n")
    assert "more than 16 deep" in problems(user_folder.path)[0].problem


def test_a_user_layer_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "prompts").write_text("", encoding="utf-8")
    assert "cannot be listed" in only_problem(tmp_path / "prompts").problem


def test_errors_keep_their_facts_when_they_cross_a_process(user_folder):
    user_folder.write("a.yaml", "id: a\nnonsense: 1\n")
    with pytest.raises(ProfileFileError) as caught:
        PromptHub.load(user_folder.path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)
    circle = ProfileCycle("x", ("a", "a"), caught.value.problems[0], ("a.yaml",))
    again = pickle.loads(pickle.dumps(circle))
    assert (str(again), again.circle, again.problems) == (str(circle), ("a", "a"), circle.problems)
