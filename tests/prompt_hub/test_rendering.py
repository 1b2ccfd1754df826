"""From values to messages."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from prompt_hub.errors import TemplateRefused, UnknownStage, VariablesRefused
from prompt_hub.rendering import MAX_VALUE_CHARACTERS, MAX_VALUE_NODES, render

ANYTHING = {"schema": {"type": ["string", "integer", "number", "boolean", "null", "array", "object"]}}


class Word(StrEnum):
    SEA = "sea"


def test_a_rendered_prompt_has_all_that_a_request_needs(profile_of):
    profile = profile_of(parameters={"temperature": 0}, images=2)
    rendered = render(profile, "caption", {"title": "Low tide"})
    assert rendered.system == "You look at photographs."
    assert rendered.user == "<title>Low tide</title>"
    assert (rendered.profile_id, rendered.profile_stage) == ("made", "caption")
    assert (rendered.profile_hash, rendered.stage_hash) == (profile.hash, profile.stage_hash("caption"))
    assert rendered.parameters == {"temperature": 0}
    assert rendered.output_schema["required"] == ["caption"]
    assert rendered.images == 2


def test_an_unknown_stage_is_an_error(profile_of):
    with pytest.raises(UnknownStage):
        render(profile_of(), "critique", {"title": "x"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(st.characters(exclude_categories=["Cs"])))
def test_no_title_ends_its_delimiter(profile_of, title):
    user = render(profile_of(user="a<title>{{ title }}</title>b"), "caption", {"title": title}).user
    assert user.startswith("a<title>")
    assert user.endswith("</title>b")
    assert user.count("<") == 2
    assert user.count(">") == 2


def test_variables_that_are_missing_or_not_declared_are_named(profile_of):
    with pytest.raises(
        VariablesRefused, match="needs title and does not declare 'titel'; its variables are: title"
    ):
        render(profile_of(), "caption", {"titel": "x"})


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (("a", "b"), "holds a tuple"),
        ({"a": {1: "x"}}, "a key that is not text"),
        (b"bytes", "holds a bytes"),
        (Markup("<b>"), "holds a Markup"),
        (Word.SEA, "holds a Word"),
        ([object()], "holds a object"),
        (print, "holds a builtin_function"),
        (float("nan"), "not a finite number"),
        ([float("inf")], "not a finite number"),
        (2**53, "which JSON cannot hold"),
        ("\ud800", "half a character"),
        ("x" * (MAX_VALUE_CHARACTERS + 1), "characters in all"),
        ({"x" * (MAX_VALUE_CHARACTERS + 1): 1}, "characters in all"),
        ([1] * MAX_VALUE_NODES, "values in all"),
        (cyclic(), "nested more than"),
    ],
    ids=lambda value: (
        type(value).__name__ if not isinstance(value, str) else value[:20].encode("ascii", "replace").decode()
    ),
)
def test_values_that_are_not_plain_json_in_bounds_are_refused(profile_of, value, problem):
    with pytest.raises(VariablesRefused, match=f"variable title .*{problem}"):
        render(profile_of(variables={"title": ANYTHING}), "caption", {"title": value})


def test_a_value_outside_its_schema_is_refused_with_its_place(profile_of):
    words = {"schema": {"type": "array", "items": {"type": "string", "maxLength": 3}}}
    profile = profile_of(user="{{ title|join }}", variables={"title": words})
    assert render(profile, "caption", {"title": ["sea"]}).user == "sea"
    with pytest.raises(
        VariablesRefused, match=r"made/caption: variable title\[1\] misses its schema: 'oceans' is too long"
    ):
        render(profile, "caption", {"title": ["sea", "oceans"]})
    with pytest.raises(VariablesRefused, match=r"title misses its schema: 'x+… *$|title misses its schema"):
        render(profile, "caption", {"title": "x" * 100_000})


def test_a_refusal_never_repeats_a_huge_value(profile_of):
    with pytest.raises(VariablesRefused) as caught:
        render(
            profile_of(variables={"title": {"schema": {"type": "integer"}}}),
            "caption",
            {"title": "x" * 100_000},
        )
    assert len(str(caught.value)) < 400


def test_a_profile_from_elsewhere_is_held_to_the_same_rules(profile_of):
    with pytest.raises(TemplateRefused, match="made/caption user: calls something"):
        render(profile_of(user="{{ title.upper() }}"), "caption", {"title": "x"})


def test_the_text_around_the_values_is_trimmed_and_the_rest_is_kept(profile_of):
    user = "{% if title %}\nFirst\n{% endif %}\n\n  {{ title }}\n{% if title == 'z' %}\nlast\n{% endif %}\n"
    assert render(profile_of(user=user), "caption", {"title": "x"}).user == "First\n\n  x"
