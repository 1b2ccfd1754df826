"""What the strict YAML reader takes, and how it refuses the rest."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from store.yaml_reading import (
    MAX_BYTES,
    YamlError,
    field_text,
    parse_yaml,
    parse_yaml_document,
    read_yaml,
    read_yaml_document,
)


def refused(text):
    with pytest.raises(YamlError) as caught:
        parse_yaml(text, "some.yaml")
    assert caught.value.source == "some.yaml"
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("~", None),
        ("a:", {"a": None}),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("'true'", "true"),
        ("12", 12),
        ("-12", -12),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("'012'", "012"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("7b", "7b"),
        ("-", [None]),
        ("- 1\n- [2, x]", [1, [2, "x"]]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("a: >-\n  two\n  lines\n", {"a": "two lines"}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ("'<<': 1", {"<<": 1}),
        ("no: 1", {"no": 1}),
    ],
)
def test_the_core_of_yaml_1_2_is_read(text, value):
    read = parse_yaml(text, "some.yaml")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: 1\na: 2", "twice"),
        ("a: 1\n'a': 2", "twice"),
        ("a: 2024-01-31", "date"),
        ("a: 2024-01-31T10:00:00Z", "date"),
        ("a: 2024-01-31 10:00:00", "date"),
        ("a: 1_000", "underscores"),
        ("a: 1_000.5", "underscores"),
        ("a: 0b11", "decimal"),
        ("a: 012", "leading zero"),
        ("a: .inf", "finite"),
        ("a: -.INF", "finite"),
        ("a: .nan", "finite"),
        ("a: 1e999", "finite"),
        ("a: 9007199254740992", "2^53"),
        ("a: " + "9" * 5000, "2^53"),
        ("a: 0xFFFFFFFFFFFFFFFF", "2^53"),
        ("a: !!str 5", "tag"),
        ("a: !python/object:os.system x", "tag"),
        ("a: &x {b: 1}\nc: {<<: *x}", "merge key"),
        ("1: a", "quotes"),
        ("true: a", "quotes"),
        ("~: a", "quotes"),
        ("[1]: a", "not text"),
        ("a: *nobody", "not defined"),
        ("a: &x [*x]", "part of"),
        ("%YAML 1.1\n---\na: 012", "directive"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "directive"),
        ("a: 1\n---\nb: 2", "more than one"),
        ("a: [1", "not YAML"),
        ("a: b: c", "not YAML"),
        ("\tb: c", "not YAML"),
        ("a: \x00", "U+0000"),
        ("a: \x07", "U+0007"),
        ("a: \ud800", "Unicode"),
        ('a: "\\ud800"', "not YAML"),
        ("[" * 500, "nested"),
        ("- " * 500, "nested"),
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(text, word):
    error = refused(text)
    assert word in str(error)
    assert (
        error.line == text[: text.find("a: 2\n") if "a: 2\n" in text else None].count("\n", 0) + 1
        or error.line
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("m: [openai:gpt-4o, a]\n", 1, 'openai:gpt-4o has a colon, .* put it in quotes, "openai:gpt-4o"'),
        (
            "m: {a: [x, {b:c}]}\n",
            1,
            'b:c has a colon, .* put it in quotes, "b:c"; if it is a key, put a space',
        ),
        ("d: birds: the great\n", 1, 'a second colon .* in quotes, d: "birds: the great"'),
        ("a: 1\n b: 2\n", 2, "goes on with the value of the line above"),
        ("a\nb: 1\n", 2, "line above lacks its colon"),
        ("a:\n\tb: 1\n", 2, "a tab stands where the line is indented; use spaces"),
        ("a: |\n\ttext\n", 2, "use spaces"),
        ('a: 1\nb: "x\nc: 1\n', 4, "the quote that opens on line 2 is never closed"),
        ("a: 'It's a bird'\n", 1, "after the closing '; if that ' belongs to the text, write it twice, ''"),
        ("a: {b: 'x'y}\n", 1, "after the closing '"),
        ('a: "x" y\n', 1, 'after the closing "'),
        ("a: {x}}\n", 1, "after the closing }"),
        ("a:\n  b: 1\n c: 1\n", 3, "`c: 1` lines up with nothing above it"),
        ("a: [1, 2\nb: 3\n", 2, r"the \[ that opens on line 1 is not closed"),
        ("a: {b: 1\nc: 2\n", 2, "the { that opens on line 1 is not closed"),
        ("a: [\n", 2, "is never closed"),
        ("a: ]\n", 1, "no value begins with ]"),
        ("- a\nb: 1\n", 2, "`b: 1` stands among the items of a list"),
        ("a: @x\n", 1, "begins with @; put it in quotes"),
        ("a: *\n", 1, r"\* begins the name of another value"),
        ('a: "\\d"\n', 1, "use single quotes"),
        ("a: {{ title }}\n", 1, "put all of it in quotes if it is text"),
    ],
)
def test_who_wrote_no_yaml_is_told_how_to_put_it_right(text, line, words):
    error = refused(text)
    assert error.line == line
    assert re.search(words, error.problem)


@given(st.text(alphabet="ab:,[]{}'\"\\\t\n -#|>&*!%@`é", max_size=40))
def test_whatever_is_no_yaml_gets_words_and_a_line(text):
    try:
        parse_yaml(text, "some.yaml")
        problem = None
    except YamlError as error:
        problem = error
    if problem is not None:
        assert problem.problem
        assert 1 <= (problem.line or 1) <= len(text.splitlines()) + 1


def test_an_error_names_file_line_and_field():
    error = refused("models:\n  tiny:\n    limits:\n      - 1\n      - 1_000\n")
    assert (error.line, error.field) == (5, "models.tiny.limits[1]")
    assert str(error).startswith("some.yaml:5: models.tiny.limits[1]: 1_000 ")


def test_a_duplicate_key_names_both_lines():
    error = refused("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert (error.line, error.field) == (4, "a.b")
    assert "first on line 2" in str(error)


def test_a_syntax_error_names_its_line_and_the_field_around_it():
    error = refused("a:\n  b: [1\n  c: 2\n")
    assert error.line == 3
    assert error.field == "a.b"


def test_a_control_character_names_its_line():
    assert refused("a: 1\nb: é\nc: \x01\n").line == 3


def test_an_error_survives_a_process_boundary():
    error = refused("a: 012")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.line == 1


def test_aliases_that_expand_beyond_the_limit_are_refused():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    assert "aliases" in str(refused(bomb))


def test_aliases_that_nest_beyond_the_limit_are_refused():
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    assert "nested" in str(refused(chain))


def test_an_alias_gives_a_value_of_its_own():
    read = parse_yaml("a: &x [1]\nb: *x\n", "some.yaml")
    read["a"].append(2)
    assert read["b"] == [1]


def test_lines_are_kept_for_each_field():
    document = parse_yaml_document("a:\n  b:\n    - 1\n    - c: 2\n", "some.yaml")
    assert document.line_of(("a", "b")) == 2
    assert document.line_of(("a", "b", 1, "c")) == 4
    assert document.line_of(("a", "b", 1, "c", "missing")) == 4
    assert document.line_of(("elsewhere",)) == 1


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\n")
    assert read_yaml(path) == {"a": "é"}
    assert read_yaml_document(path).source == str(path)


@pytest.mark.parametrize(
    ("data", "word", "line"),
    [
        (b"a: 1\nb: \xff\n", "UTF-8", 2),
        (b"a: " + b"x" * MAX_BYTES, "larger than 1024 KiB", None),
    ],
)
def test_a_file_of_the_wrong_bytes_is_refused(tmp_path, data, word, line):
    path = tmp_path / "some.yaml"
    path.write_bytes(data)
    with pytest.raises(YamlError, match=word) as caught:
        read_yaml(path)
    assert caught.value.line == line


def test_text_above_the_limit_is_refused():
    assert "larger" in str(refused("a: " + "x" * MAX_BYTES))


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path):
    with pytest.raises(YamlError, match="No such file"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(YamlError, match="regular file"):
        read_yaml(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(YamlError, match="regular file"):
        read_yaml(tmp_path / "pipe.yaml")


def test_a_field_is_written_for_people():
    assert field_text(("models", "x", "aliases", 0, "y")) == "models.x.aliases[0].y"
    assert field_text(()) == ""


def test_without_the_c_parser_nothing_is_read_and_the_error_says_what_to_install():
    script = "import sys\nsys.modules['_ruamel_yaml'] = None\nimport store.yaml_reading\n"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert "install ruamel.yaml.clib" in ended.stderr


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_json_is_yaml_and_reads_as_the_same_values(value):
    # JSON may hold raw DEL and C1 controls, which YAML forbids outside escapes.
    text = "".join(
        f"\\u{ord(c):04x}" if 0x7F <= ord(c) <= 0x9F or c == "\ufeff" or 0xFFFE <= ord(c) <= 0xFFFF else c
        for c in rfc8785.dumps(value).decode()
    )
    assert rfc8785.dumps(parse_yaml(text, "some.yaml")) == rfc8785.dumps(value)


@given(st.text(alphabet="ab01_-:.#[]{},&*!|>'\"%\n \t\\<~x", max_size=60))
def test_any_text_is_read_as_plain_values_or_refused_with_a_line(text):
    try:
        value = parse_yaml(text, "some.yaml")
    except YamlError as error:
        line = error.line
    else:
        rfc8785.dumps(value)
        line = 1
    # libyaml places what is missing at the end on the line after the last.
    assert 1 <= line <= text.count("\n") + 2


@given(st.text(alphabet="ab1:-[]{}, \n'\"", max_size=40))
def test_what_is_read_is_what_ruamel_reads_as_yaml_1_2(text):
    try:
        value = parse_yaml(text, "some.yaml")
    except YamlError:
        return
    assert YAML(typ="safe", pure=False).load(text) == value
