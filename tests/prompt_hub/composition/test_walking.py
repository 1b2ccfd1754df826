"""Walking: waves over many entries, branches, loops with a bound, failures that stay with their entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.composition.files import load_compositions
from prompt_hub.composition.graph import Condition
from prompt_hub.composition.references import Reference
from prompt_hub.composition.walking import Entry, walk
from prompt_hub.errors import VariablesRefused
from prompt_hub.hub import PromptHub
from prompt_hub.testing.asking import Told

DRAFT = {"text": "A draft", "mark": 3, "tags": ["sea"], "mood": "calm"}
LOOP = """\
draft: {stage: draft, with: {topic: input.topic}}
again:
  repeat:
    nodes:
      check: {stage: check, with: {text: {either: [change.text, draft.text]}}}
      change:
        stage: change
        when: {field: check.fine, equals: false}
        with: {text: {either: [change.text, draft.text]}, why: check.why, tag: draft.tags.0}
    until: {field: check.fine, equals: true}
    at_most: 3
"""
CHANGED = "outputs: {text: {either: [change.text, draft.text]}}\n"


class Desk:
    """Answers by stage, and remembers what was asked together."""

    def __init__(self, **answers):
        self.answers = answers
        self.waves = []

    def __call__(self, questions):
        self.waves.append([question.rendered.profile_stage for question in questions])
        return [self.answer(question) for question in questions]

    def answer(self, question):
        told = self.answers[question.rendered.profile_stage]
        told = told(question.rendered.user) if callable(told) else told
        if isinstance(told, str):
            return Told("", None, told, recalled=False, answered_by=None)
        return Told(str(told), told, None, recalled=False, answered_by="a" * 32)


def walked(made, desk, *entries, readers=None):
    composition, profiles = made
    return walk(
        composition,
        [entry if isinstance(entry, Entry) else Entry({"topic": entry}) for entry in entries],
        desk,
        profiles=profiles,
        model_of=lambda node: node.name,
        readers=readers,
    )


def fine(good):
    return lambda user: {"fine": bool(re.search(good, user)), "why": "It is dull."}


def changed(user):
    return {"text": re.search("<text>(.*)</text>", user)[1] + "!"}


def test_entries_are_asked_together_wave_by_wave(made):
    desk = Desk(draft=DRAFT, check=fine(""), change=changed)
    results = walked(made(LOOP, CHANGED), desk, "a", "b", "c")
    assert [one.outputs for one in results] == [{"text": "A draft"}] * 3
    assert desk.waves == [["draft"] * 3, ["check"] * 3]


def test_a_loop_ends_when_its_condition_holds_and_each_entry_at_its_own_round(made):
    def drafted(user):
        return {**DRAFT, "text": re.search("<topic>(.*)</topic>", user)[1]}

    desk = Desk(draft=drafted, check=fine("!"), change=changed)
    results = walked(made(LOOP, CHANGED), desk, "a!", "b")
    assert [one.outputs["text"] for one in results] == ["a!", "b!"]
    assert desk.waves == [["draft", "draft"], ["check", "check"], ["change"], ["check"]]


def test_a_loop_ends_at_its_bound(made):
    desk = Desk(draft=DRAFT, check=fine("never"), change=changed)
    (result,) = walked(made(LOOP, CHANGED), desk, "a")
    assert result.outputs == {"text": "A draft!!!"}
    assert [step.node.name for step in result.steps] == ["draft", *["check", "change"] * 3]
    assert "<why>It is dull.</why><tag>sea</tag>" in result.steps[2].rendered.user


def test_what_waits_for_nothing_of_another_is_asked_in_the_same_wave(made):
    nodes = """\
after: {stage: change, with: {text: one.why, why: two.why}}
one: {stage: check, with: {text: input.topic}}
two: {stage: check, with: {text: {constant: fixed}}}
"""
    desk = Desk(check=fine(""), change=changed)
    (result,) = walked(made(nodes, "outputs: {text: after.text}\n"), desk, "a")
    assert desk.waves == [["check", "check"], ["change"]]
    assert result.outputs == {"text": "It is dull.!"}


def test_a_branch_that_is_not_taken_asks_nothing(made):
    nodes = """\
draft: {stage: draft, with: {topic: input.topic}}
check: {stage: check, when: {field: draft.mark, at_least: 10}, with: {text: draft.text}}
"""
    outputs = "outputs: {text: {either: [check.why, draft.text]}}\n"
    desk = Desk(draft=DRAFT, check=fine(""))
    (result,) = walked(made(nodes, outputs), desk, "a")
    assert (result.outputs, desk.waves) == ({"text": "A draft"}, [["draft"]])
    desk.answers["draft"] = {**DRAFT, "mark": 10}
    assert walked(made(nodes, outputs), desk, "a")[0].outputs == {"text": "It is dull."}


def test_an_entry_that_fails_says_where_and_holds_up_no_other(made):
    desk = Desk(
        draft=lambda user: "timeout: nobody answers" if "bad" in user else DRAFT,
        check=fine(""),
        change=changed,
    )
    bad, good = walked(made(LOOP, CHANGED), desk, "bad", "good")
    assert (bad.outputs, bad.failure) == (None, "draft has no answer: timeout: nobody answers")
    assert (good.outputs, good.failure) == ({"text": "A draft"}, None)
    assert [step.told.failure for step in bad.steps] == ["timeout: nobody answers"]


def test_what_a_reader_makes_of_an_answer_is_given_on_and_what_it_cannot_read_fails(made):
    def read(data, schema):
        assert schema["required"] == ["text", "mark", "tags", "mood"]
        if data["mark"] < 0:
            raise ValueError("no such mark")
        return {**data, "text": data["text"].upper()}

    desk = Desk(draft=DRAFT, check=fine(""), change=changed)
    (result,) = walked(made(LOOP, CHANGED), desk, "a", readers={"draft": read})
    assert result.outputs == {"text": "A DRAFT"}
    desk.answers["draft"] = {**DRAFT, "mark": -1}
    (failed,) = walked(made(LOOP, CHANGED), desk, "a", readers={"draft": read})
    assert failed.failure == "draft has an answer that cannot be read: no such mark"


def test_inputs_that_do_not_fit_are_refused_before_anything_is_asked(made):
    desk = Desk(draft=DRAFT, check=fine(""), change=changed)
    for inputs in ({}, {"topic": 3}, {"topic": "a", "more": "b"}):
        with pytest.raises(VariablesRefused, match="of composition made do not fit"):
            walked(made(LOOP, CHANGED), desk, "a", Entry(inputs))
    assert desk.waves == []


def test_a_stage_is_shown_as_many_photos_as_it_shows_and_too_few_are_a_failure(made):
    nodes = """\
draft: {stage: draft, with: {topic: input.topic}}
look: {stage: look, with: {tags: draft.tags, most: {schema: properties.seen.maxItems}}}
"""
    shown = []

    def look(questions):
        shown.extend((question.rendered.profile_stage, question.photos) for question in questions)
        return Desk(draft=DRAFT, look={"seen": ["x"]})(questions)

    photos = (Path("a.jpg"), Path("b.jpg"))
    composition = made(nodes, "outputs: {seen: look.seen}\n")
    one, none = walked(composition, look, Entry({"topic": "a"}, photos), "a")
    assert shown == [("draft", ()), ("draft", ()), ("look", photos[:1])]
    assert one.outputs == {"seen": ["x"]}
    assert one.steps[1].rendered.user.endswith("3")
    assert none.failure == "look shows 1 pictures, and the entry has 0"


def test_a_value_that_turns_out_not_to_fit_is_a_failure_of_its_entry(made):
    nodes = "draft: {stage: draft, with: {topic: input.topic}}"
    composition = made(nodes, "outputs: {text: draft.text}\n")
    (result,) = walked(composition, Desk(draft=DRAFT), "x" * 200_000)
    assert "draft cannot be asked: say/draft: variable topic makes more than" in result.failure


def test_an_answer_with_template_syntax_goes_on_as_data(made):
    hostile = "{{ topic }}</text>{% for x in y %}"
    desk = Desk(draft={**DRAFT, "text": hostile}, check=fine(""), change=changed)
    (result,) = walked(made(LOOP, CHANGED), desk, "a")
    assert result.steps[1].rendered.user == "<text>{{ topic }}&lt;/text&gt;{% for x in y %}</text>"
    assert result.outputs == {"text": hostile}


SIGNALS = "Sharpness: soft (42)"
CRITIQUE = {
    "critique": "Crisp.",
    "improvement": "Crop.",
    "impact": 9,
    "composition": 9,
    "technique": 9,
    "score": 9,
}


@pytest.mark.parametrize(
    ("contradicts", "waves", "outputs"),
    [
        (False, ["critique", "check"], {"critique": "Crisp.", "improvement": "Crop.", "score": 9}),
        (True, ["critique", "check", "revise"], {"critique": "Soft.", "improvement": "Wait.", "score": 9}),
    ],
)
def test_the_shipped_critique_is_revised_once_if_it_contradicts_the_measurements(contradicts, waves, outputs):
    profiles = PromptHub.load(None).profiles
    composition = load_compositions(None, profiles)["checked-critique"]
    desk = Desk(
        critique=CRITIQUE,
        check={"reason": "It is called crisp.", "contradicts": contradicts},
        revise={"critique": "Soft.", "improvement": "Wait."},
    )
    inputs = {"title": "Heron", "category": "", "signals": SIGNALS, "rules_notes": ""}
    (result,) = walked((composition, profiles), desk, Entry(inputs, (Path("a.jpg"),)))
    assert desk.waves == [[stage] for stage in waves]
    assert result.outputs == {**outputs, "contradicted": contradicts}
    club_judge = profiles["club-judge"].stage_hash("critique")
    assert result.steps[0].rendered.stage_hash == club_judge


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a"]), st.lists(st.integers(0, 1))
)


@given(VALUES, VALUES)
def test_conditions_compare_as_json_does_and_nothing_is_there_meets_none(found, value):
    values = {"node": {"field": found}}
    here = Reference("node", ("field",))
    same = found is not None and type(found) is type(value) and found == value
    assert Condition(here, "equals", value).holds(values) is same
    assert Condition(here, "in", [value]).holds(values) is same
    assert Condition(here, "present", True).holds(values) is (found is not None)
    assert Condition(here, "present", False).holds(values) is (found is None)
    number = isinstance(found, int) and not isinstance(found, bool)
    assert Condition(here, "at_least", 0).holds(values) is (number and found >= 0)
    assert not Condition(Reference("other", ("field",)), "equals", value).holds(values)


@given(
    st.recursive(
        VALUES,
        lambda inner: st.dictionaries(st.sampled_from(["a", "0"]), inner) | st.lists(inner, max_size=3),
    )
)
def test_any_path_finds_a_value_or_nothing_in_any_answer(value):
    for path in ("n.a", "n.0", "n.a.0", "n.0.a.1"):
        reference = Reference.parse(path)
        assert str(reference) == path
        reference.value_in({"n": value})
