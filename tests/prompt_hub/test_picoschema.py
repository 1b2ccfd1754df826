"""Picoschema in profiles: what it means, that it hashes as JSON Schema does, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_hub.errors import ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.json_schemas import TYPES
from prompt_hub.memory import Memory
from prompt_hub.picoschema import Compiling

CLOSED = {"type": "object", "additionalProperties": False}


def compiled(fields):
    compiling = Compiling()
    schema = compiling.object(fields, (), ())
    assert compiling.problems == []
    return schema


@pytest.mark.parametrize(
    ("key", "value", "schema"),
    [
        ("a", "string", {"type": "string"}),
        ("a", "integer, how many, at most", {"type": "integer", "description": "how many, at most"}),
        ("a", "any", {"type": list(TYPES)}),
        ("a(array, words)", "string", {"type": "array", "items": {"type": "string"}, "description": "words"}),
        ("a(enum)", ["x", "y"], {"type": "string", "enum": ["x", "y"]}),
        ("a(enum, one (or two))", [1, 2], {"type": "integer", "enum": [1, 2], "description": "one (or two)"}),
        ("a", {"b": "string"}, {**CLOSED, "properties": {"b": {"type": "string"}}, "required": ["b"]}),
        (
            "a(object)",
            {"(*)": "number"},
            {**CLOSED, "properties": {}, "required": [], "additionalProperties": {"type": "number"}},
        ),
        (
            "a(array)",
            {"b?": "null"},
            {"type": "array", "items": {**CLOSED, "properties": {"b": {"type": ["null"]}}, "required": []}},
        ),
    ],
)
def test_what_a_field_means(key, value, schema):
    assert compiled({key: value}) == {**CLOSED, "properties": {"a": schema}, "required": ["a"]}


def test_an_optional_field_may_be_left_out_or_null():
    schema = compiled({"a?": "string, x", "b?(enum)": ["x"], "c?(array)": "string"})
    assert schema["required"] == []
    assert schema["properties"] == {
        "a": {"type": ["string", "null"], "description": "x"},
        "b": {"type": ["string", "null"], "enum": ["x", None]},
        "c": {"type": ["array", "null"], "items": {"type": "string"}},
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": "strng"}, "did you mean string?"),
        ({"a": "date"}, "types are any, boolean"),
        ({"a": 3}, "must be a type"),
        ({"a": None}, "must be a type"),
        ({"a(list)": "string"}, "write name, name?, or one of"),
        ({"a b(": "string"}, "is no field"),
        ({"a(enum)": []}, "must be a list of texts"),
        ({"a(enum)": ["x", 1]}, "must be a list of texts"),
        ({"a(object)": "string"}, "must have a mapping"),
        ({"a": "string", "a?": "string"}, "a second time"),
    ],
)
def test_what_is_no_field_is_told(fields, words):
    compiling = Compiling()
    compiling.object(fields, (), ())
    (problem,) = compiling.problems
    assert words in problem[1]


SHIPPED = Memory()

WORDS = st.sampled_from(["", "words", "more, words", "it is (mostly) so"])
NAMES = st.sampled_from(["one", "two", "three", "four"])
SCALARS = st.sampled_from(["boolean", "integer", "null", "number", "string"])


def described(schema, words):
    return {**schema, "description": words} if words else schema


def nullable(schema):
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    schema = {**schema, "type": kinds if "null" in kinds else [*kinds, "null"]}
    return {**schema, "enum": [*schema["enum"], None]} if "enum" in schema else schema


@st.composite
def values(draw, depth=2):
    """A value beside a key, and its schema."""
    if depth and draw(st.booleans()):
        return draw(objects(depth=depth - 1))
    kind, words = draw(SCALARS), draw(WORDS)
    return (f"{kind}, {words}" if words else kind), described({"type": kind}, words)


@st.composite
def fields(draw, name, *, optional, depth=2):
    """A key, its value, and its schema."""
    kind, words = draw(st.sampled_from(["", "array", "enum", *(["object"] if depth else [])])), draw(WORDS)
    if kind == "enum":
        value = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, unique=True))
        schema = {"type": "string", "enum": value}
    elif kind == "object":
        value, schema = draw(objects(depth=depth - 1))
    elif kind == "array":
        value, items = draw(values(depth=depth))
        schema = {"type": "array", "items": items}
    else:
        value, schema = draw(values(depth=depth))
    beside = f"({kind}, {words})" if kind and words else f"({kind})" if kind else ""
    schema = described(schema, words) if kind else schema
    return f"{name}{'?' * optional}{beside}", value, nullable(schema) if optional else schema


@st.composite
def objects(draw, depth=2, *, closed=False):
    """A mapping in picoschema, and the JSON Schema of the same."""
    written, schema = {}, {**CLOSED, "properties": {}, "required": []}
    for name in draw(st.lists(NAMES, min_size=1, unique=True)):
        optional = not closed and draw(st.booleans())
        key, written_value, field = draw(fields(name, optional=optional, depth=depth))
        written[key] = written_value
        schema["properties"][name] = field
        if not optional:
            schema["required"].append(name)
    return written, schema


def hashes(variables, output):
    stage = {"user": "Look.", "variables": variables, "output": output}
    content = {"id": "made", "application": "personal_tagger", "stages": {"caption": stage}}
    with TemporaryDirectory() as folder:
        file = Path(folder, "made.yaml")
        file.write_text(json.dumps(content), encoding="utf-8")
        profile = PromptHub.load(None, files=[file], memory=SHIPPED).get("made")
    return profile, (profile.hash, profile.stage_hash("caption"))


@settings(deadline=None, max_examples=80)
@given(objects(), fields("answer", optional=False, depth=0))
def test_a_profile_has_one_hash_whether_it_is_written_in_picoschema_or_in_json_schema(given, answered):
    written, schema = given
    key, value, answer = answered
    output = {**CLOSED, "properties": {"answer": answer}, "required": ["answer"]}
    # An object among the variables says so: a plain name with a mapping is a declaration.
    marked = {
        name if "(" in name or isinstance(value, str) else f"{name}(object)": value
        for name, value in written.items()
    }
    _, in_picoschema = hashes(marked, {key: value})
    profile, in_json_schema = hashes(schema, output)
    declared = {
        name: {
            "description": field.get("description", ""),
            "schema": {word: said for word, said in field.items() if word != "description"},
            "required": name in schema["required"],
        }
        for name, field in schema["properties"].items()
    }
    _, in_declarations = hashes(declared, output)
    _, as_shown = hashes(profile.stage("caption").input_schema, output)
    assert in_picoschema == in_json_schema == in_declarations == as_shown


def stage_of(user_folder, variables, output="{caption: string}", below=""):
    if below:
        user_folder.write(
            "below.yaml", f"id: below\napplication: personal_tagger\nstages: {{caption: {below}}}\n"
        )
    parent = "extends: below" if below else "application: personal_tagger"
    user = "" if below else "user: Look."
    user_folder.write(
        "made.yaml",
        f"id: made\n{parent}\nstages:\n  caption:\n    {user}\n    variables: {variables}\n    output: {output}\n",
    )
    return PromptHub.load(user_folder.path).get("made").stage("caption")


BELOW = (
    "{user: Look., variables: {title: {schema: {type: string, maxLength: 9}, description: Old.}, mood: string}, "
    "output: {caption: string, mood: string}}"
)


def test_all_ways_stand_side_by_side(user_folder):
    stage = stage_of(
        user_folder,
        "{a: 'string, words', 'b?': integer, c: {schema: {type: string}, required: false}, "
        "d: {type: string, maxLength: 3}, e(object): {f: string}}",
    )
    schema = stage.input_schema
    assert schema["required"] == ["a", "d", "e"]
    assert schema["properties"]["a"] == {"type": "string", "description": "words"}
    assert schema["properties"]["b"] == {"type": ["integer", "null"]}
    assert schema["properties"]["d"] == {"type": "string", "maxLength": 3}
    assert schema["properties"]["e"]["required"] == ["f"]


def test_picoschema_in_a_layer_replaces_the_variable_or_answer_below_whole(user_folder):
    stage = stage_of(user_folder, "{title: integer}", "{caption: string}", BELOW)
    assert stage.input_schema["properties"] == {"title": {"type": "integer"}, "mood": {"type": "string"}}
    assert list(stage.output["properties"]) == ["caption"]


def test_json_schema_in_a_layer_is_merged_field_by_field(user_folder):
    stage = stage_of(
        user_folder, "{title: {type: string, minLength: 1}}", "{properties: {mood: {maxLength: 5}}}", BELOW
    )
    assert stage.variables["title"].value_schema == {"type": "string", "minLength": 1, "maxLength": 9}
    assert stage.variables["title"].description == "Old."
    assert stage.output["properties"]["mood"] == {"type": "string", "maxLength": 5}


def test_null_takes_a_variable_away_whatever_it_was_written_in(user_folder):
    assert list(stage_of(user_folder, "{mood: null}", below=BELOW).variables) == ["title"]


@pytest.mark.parametrize(
    ("variables", "output", "place", "words"),
    [
        ("{a: strng}", "{caption: string}", ("stages.caption.variables.a", 6), "did you mean string"),
        ("{a(many): string}", "{caption: string}", ("stages.caption.variables.a(many)", 6), "write name"),
        ("{'a?': null}", "{caption: string}", ("stages.caption.variables.a?", 6), "must be a type"),
        ("{(*): string}", "{caption: string}", ("stages.caption.variables.(*)", 6), "stands for any name"),
        (
            "{a: string, 'a?': string}",
            "{caption: string}",
            ("stages.caption.variables.a?", 6),
            "a second time",
        ),
        ("{Title: string}", "{caption: string}", ("stages.caption.variables.Title", 6), "lower-case"),
        (
            "{type: object, properties: {a: 3}}",
            "{caption: string}",
            ("stages.caption.variables.properties.a", 6),
            "must be a JSON Schema",
        ),
        (
            "{type: object, properties: {a: {type: string}}, required: [b]}",
            "{caption: string}",
            ("stages.caption.variables.required", 6),
            "names 'b'",
        ),
        ("{}", "{caption: txt}", ("stages.caption.output.caption", 7), "is no type"),
        ("{}", "{'caption?': string}", ("stages.caption.output", 7), "must list every field"),
        ("{}", "{(*): string}", ("stages.caption.output", 7), "must name the answer's fields"),
    ],
)
def test_what_is_wrong_has_its_file_line_and_field(user_folder, variables, output, place, words):
    with pytest.raises(ProfileFileError) as caught:
        stage_of(user_folder, variables, output)
    (problem,) = caught.value.problems
    assert Path(problem.file).name == "made.yaml"
    assert (problem.field, problem.line) == place
    assert words in problem.problem
