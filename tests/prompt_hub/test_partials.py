"""Putting partials in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_hub.errors import ProfileCycle, TemplateRefused
from prompt_hub.partials import MAX_DEPTH, with_partials
from prompt_hub.schema import MAX_TEMPLATE_BYTES


def test_a_partial_stands_where_it_is_included_and_the_line_keeps_its_end():
    text = 'before\n{% include "rule" %}\nafter'
    assert with_partials(text, {"rule": "one\ntwo\n"}) == "before\none\ntwo\nafter"


def test_partials_include_partials():
    partials = {"outer": "<{% include 'inner' %}>", "inner": "core"}
    assert with_partials("{% include 'outer' %}{% include 'inner' %}", partials) == "<core>core"


def test_an_indented_tag_does_not_indent_and_signs_take_space_away():
    assert with_partials('a\n   {% include "r" %}\nb', {"r": "R"}) == "a\nR\nb"
    assert with_partials('a\n   {%+ include "r" %}\nb', {"r": "R"}) == "a\n   R\nb"
    assert with_partials('a\n  {%- include "r" -%}  \n b', {"r": "R"}) == "aRb"
    assert with_partials('a {% include "r" %} b', {"r": "R"}) == "a R b"


@pytest.mark.parametrize(
    "text",
    [
        '{# {% include "r" %} #}',
        '{% raw %}{% include "r" %}{% endraw %}',
        '{%- raw -%}{% include "r" %}{% endraw %}x',
    ],
)
def test_comments_and_raw_blocks_include_nothing(text):
    assert with_partials(text, {"r": "R"}) == text


@pytest.mark.parametrize("text", ['{% raw %}{% include "r" %}', '{# {% include "r" %}'])
def test_what_is_never_closed_is_left_for_the_parser_to_refuse(text):
    assert with_partials(text, {"r": "R"}) == text


def test_a_circle_is_named():
    partials = {"a": '{% include "b" %}', "b": '{% include "c" %}', "c": '{% include "b" %}'}
    with pytest.raises(ProfileCycle, match="b → c → b") as caught:
        with_partials('{% include "a" %}', partials)
    assert caught.value.circle == ("b", "c", "b")
    with pytest.raises(ProfileCycle, match="a → a"):
        with_partials('{% include "a" %}', {"a": '{% include "a" %}'})


def test_an_unknown_partial_is_named_with_the_nearest():
    with pytest.raises(TemplateRefused, match=r"'scael'.*did you mean 'scale'"):
        with_partials('{% include "scael" %}', {"scale": ""})
    with pytest.raises(TemplateRefused, match="there are none"):
        with_partials('{% include "scale" %}', {})


def test_partials_that_multiply_are_refused_before_they_fill_the_memory():
    bomb = {f"p{level}": f'{{% include "p{level + 1}" %}}' * 10 for level in range(12)}
    bomb["p12"] = "boom"
    with pytest.raises(TemplateRefused, match="64 KiB"):
        with_partials('{% include "p0" %}', bomb)


def test_a_long_chain_is_refused():
    chain = {f"p{level}": f'{{% include "p{level + 1}" %}}' for level in range(5_000)}
    with pytest.raises(TemplateRefused, match=f"more than {MAX_DEPTH} deep"):
        with_partials('{% include "p0" %}', chain)


@pytest.mark.parametrize("piece", ["{#", "{%", "{% raw %}", "{% include ", '{% include "', "{%   "])
def test_thousands_of_openings_without_an_end_include_nothing(piece):
    text = piece * (MAX_TEMPLATE_BYTES // len(piece))
    assert with_partials(text, {}) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{")))
def test_text_without_tags_stays_as_it_is(text):
    assert with_partials(text, {"a": "A"}) == text
