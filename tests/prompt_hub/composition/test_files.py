"""Files of compositions: what they may say, and everything that is wrong with file, line and field."""

# ruff: noqa: E501 - a case a line

from __future__ import annotations

from pathlib import Path

import pytest

from prompt_hub.composition.files import SHIPPED, composition_named, load_compositions
from prompt_hub.errors import CompositionFileError, UnknownComposition
from prompt_hub.hub import PromptHub

DRAFT = "draft: {stage: draft, with: {topic: input.topic}}"
LOOP = """\
draft: {stage: draft, with: {topic: input.topic}}
again:
  repeat:
    nodes:
      check: {stage: check, with: {text: {either: [change.text, draft.text]}}}
      change: {stage: change, when: {field: check.fine, equals: false}, with: {text: draft.text, why: check.why}}
    until: {field: check.fine, equals: true}
    at_most: 3
"""
CHANGED = "outputs: {text: {either: [change.text, draft.text]}}\n"


def told(made, *arguments, **named):
    with pytest.raises(CompositionFileError) as caught:
        made(*arguments, **named)
    for problem in caught.value.problems:
        assert Path(problem.file).name == "made.yaml"
    return [(problem.line, problem.field, problem.problem) for problem in caught.value.problems]


def test_what_ships_fits_the_shipped_profiles():
    found = load_compositions(None, PromptHub.load(None).profiles)
    assert list(found) == [path.stem for path in sorted(SHIPPED.iterdir())] == ["checked-critique", "tagging"]


def test_a_loop_and_a_condition_are_right(made):
    composition, _ = made(LOOP, CHANGED)
    assert [node.name for node in composition.ask_nodes] == ["draft", "check", "change"]


@pytest.mark.parametrize(
    ("nodes", "outputs", "line", "field", "words"),
    [
        ("draft: {stage: nothing}", "outputs: {a: draft.text}\n", 6, "nodes.draft.stage", "has no stage 'nothing'; it has draft"),
        ("draft: {stage: draft, profile: nobody}", "outputs: {a: draft.text}\n", 6, "nodes.draft.profile", "there is no profile 'nobody'"),
        ("draft: {stage: draft}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with", "the required variable topic"),
        ("draft: {stage: draft, with: {topic: input.topic, more: input.topic}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.more", "is no variable of say/draft"),
        ("draft: {stage: draft, with: {topic: nobody.text}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.topic", "there is no node 'nobody'"),
        ("draft: {stage: draft, with: {topic: input.title}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.topic", "the fields of input are topic"),
        ("draft: {stage: draft, with: {topic: topic}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.topic", "is no reference"),
        ("draft: {stage: draft, with: {topic: [a]}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.topic", "must be a reference"),
        ("draft: {stage: draft, with: {topic: {constant: 3}}}", "outputs: {a: draft.text}\n", 6, "nodes.draft.with.topic", "misses the variable's schema"),
        (DRAFT, "outputs: {a: draft.nothing}\n", 7, "outputs.a", "the fields of draft are text, mark, tags, mood"),
        (DRAFT, "outputs: {a: draft.text.more}\n", 7, "outputs.a", "can never be there"),
        (DRAFT, "outputs: {a: draft.tags.0}\n", 7, "outputs.a", "may not be there"),
        (f"{DRAFT}\ncheck: {{stage: check, with: {{text: draft.mark}}}}", "outputs: {a: check.why}\n", 7, "nodes.check.with.text", "is integer, and text is string"),
        (f"{DRAFT}\ncheck: {{stage: check, when: {{field: draft.mark, at_least: 3}}, with: {{text: draft.text}}}}", "outputs: {a: check.why}\n", 8, "outputs.a", "may not be there"),
        (f"{DRAFT}\ncheck: {{stage: check, with: {{text: draft.text}}}}", "outputs: {a: draft.text}\n", 7, "nodes.check", "nothing in the outputs rests on its answer"),
        ("draft: {stage: draft, with: {topic: {constant: x}}}", "outputs: {a: draft.text}\n", 4, "inputs.topic", "nothing uses it"),
        ("draft: {stage: draft, with: {topic: check.why}}\ncheck: {stage: check, with: {text: draft.text}}", "outputs: {a: check.why}\n", 6, "nodes.draft", "waits for itself: draft → check → draft"),
        (f"{DRAFT}\ncheck: {{stage: check, when: {{field: draft.mood, equals: loud}}, with: {{text: draft.text}}}}", CHANGED, 7, "nodes.check.when.equals", "draft.mood can never be 'loud'"),
        (f"{DRAFT}\ncheck: {{stage: check, when: {{field: draft.text, at_least: 3}}, with: {{text: draft.text}}}}", CHANGED, 7, "nodes.check.when.at_least", "is for numbers"),
        (f"{DRAFT}\ncheck: {{stage: check, when: {{field: draft.text}}, with: {{text: draft.text}}}}", CHANGED, 7, "nodes.check.when", "exactly one of equals, in"),
        (f"{DRAFT}\ncheck: {{stage: check, when: '1 == 1', with: {{text: draft.text}}}}", CHANGED, 7, "nodes.check.when", "valid"),
        ("input: {stage: draft, with: {topic: input.topic}}", "outputs: {a: input.text}\n", 6, "nodes.input", "stands for the inputs"),
        (LOOP.replace("at_most: 3", "at_most: 50"), CHANGED, 13, "nodes.again.repeat.at_most", "less than or equal to 5"),
        (LOOP.replace("until: {field: check.fine, equals: true}", "until: {field: draft.mark, equals: 3}"), CHANGED, 12, "nodes.again.repeat.until.field", "must be of a node of the loop"),
        (LOOP.replace("{either: [change.text, draft.text]}", "change.text"), CHANGED, 10, "nodes.again.repeat.nodes.check.with.text", "may not be there"),
        (LOOP.replace("check: {stage", "draft: {stage"), CHANGED, 10, "nodes.again.repeat.nodes.draft", "is the name of another node"),
        (LOOP.replace("      check:", "      more: {repeat: {}}\n      check:"), CHANGED, 10, "nodes.again.repeat.nodes.more.repeat", "is not a field here"),
        (f"{DRAFT}\nlook: {{stage: look, with: {{tags: draft.tags, most: {{schema: properties.seen.minItems}}}}}}", "outputs: {a: look.seen}\n", 7, "nodes.look.with.most", "says nothing at properties.seen.minItems"),
        (f"{DRAFT}\nlook: {{stage: look, with: {{tags: {{either: [draft.text]}}, most: {{constant: 3}}}}}}", "outputs: {a: look.seen}\n", 7, "nodes.look.with.tags.either[0]", "is string, and tags is array"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_line_and_field(made, nodes, outputs, line, field, words):  # noqa: PLR0917 - a row
    found = told(made, nodes, outputs)
    assert any((line, field) == one[:2] and words in one[2] for one in found), found


def test_what_is_not_there_in_a_file_is_told(made):
    assert "is missing" in told(made, DRAFT, "")[0][2]
    assert told(made, DRAFT, head="id: made\nprofile: say\ninputs: {topic: txt}\n")[0][1] == "inputs.topic"
    assert "names no profile" in told(made, DRAFT, head="id: made\ninputs: {topic: string}\n")[0][2]
    head = "id: made\nprofile: say\ninputs: {type: object, properties: {topic: {$ref: 'http://x'}}, required: [topic]}\n"
    assert told(made, DRAFT, head=head)[0][1] == "inputs.properties.topic.$ref"


def test_what_a_condition_holds_of_is_there(made):
    head = "id: made\nprofile: say\ninputs:\n  topic?: string\n"
    draft = "draft: {stage: draft, when: {field: input.topic, present: true}, with: {topic: input.topic}}"
    outputs = "outputs: {text: {either: [draft.text, check.why]}}\n"
    check = "check: {stage: check, with: {text: {constant: x}}}"
    assert made(f"{draft}\n{check}", outputs, head)[0].id == "made"
    unsure = draft.replace("when: {field: input.topic, present: true}, ", "")
    assert "may not be there" in told(made, f"{unsure}\n{check}", outputs, head)[0][2]


def test_a_composition_has_a_bounded_number_of_nodes(made):
    nodes = "\n".join(f"n{number}: {{stage: check, with: {{text: input.topic}}}}" for number in range(41))
    assert any("at most 40 nodes" in problem for _, _, problem in told(made, nodes, "outputs: {a: n1.why}\n"))


def test_a_composition_of_the_users_stands_in_for_a_shipped_one(made):
    _, profiles = made(DRAFT)
    folder = PromptHub.load(None)
    assert "made" not in load_compositions(None, folder.profiles)
    assert set(load_compositions(None, profiles)) == {"checked-critique", "tagging"}


def test_one_id_in_two_files_is_refused(made, user_folder):
    user_folder.write(
        "compositions/made2.yaml",
        "id: made\ninputs: {}\nnodes: {a: {stage: b, profile: say}}\noutputs: {a: a.b}\n",
    )
    with pytest.raises(CompositionFileError, match="is also in"):
        made(DRAFT)


def test_an_unknown_composition_is_told_with_the_nearest():
    found = load_compositions(None, PromptHub.load(None).profiles)
    with pytest.raises(UnknownComposition, match="Did you mean tagging"):
        composition_named("taging", found)


def test_an_override_that_wants_more_than_a_composition_gives_is_told(user_folder):
    user_folder.write("mine.yaml", "id: library\nstages: {caption: {variables: {mood: string}}}\n")
    hub = PromptHub.load(user_folder.path)
    with pytest.raises(
        CompositionFileError, match=r"tagging\.yaml:\d+: nodes\.caption\.with: .* variable mood"
    ):
        load_compositions(user_folder.path, hub.profiles)
