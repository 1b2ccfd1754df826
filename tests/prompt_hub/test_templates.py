"""What templates may say, and that nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prompt_hub.errors import PromptHubError, RenderError, RenderLimit, TemplateRefused
from prompt_hub.filters import MAX_LOOP_TURNS, MAX_OUTPUT_CHARACTERS, MAX_STEPS
from prompt_hub.rendering import render
from prompt_hub.schema import MAX_TEMPLATE_BYTES
from prompt_hub.templates import compiled, free_names, is_constant, syntax_tree

ANY = {"schema": {"type": ["string", "integer", "number", "boolean", "null", "array", "object"]}}


def said(profile_of, user, **values):
    profile = profile_of(user=user, variables=dict.fromkeys(values, ANY))
    return render(profile, "caption", values).user


@pytest.mark.parametrize(
    ("user", "values", "text"),
    [
        ("{{ a }}", {"a": "sea"}, "sea"),
        ("{{ a.b.c }}", {"a": {"b": {"c": 3}}}, "3"),
        ("{{ a['b'] }}{{ c[0] }}{{ c|last }}", {"a": {"b": 1.5}, "c": ["x", "y"]}, "1.5xy"),
        ("{% if a %}yes{% else %}no{% endif %}", {"a": []}, "no"),
        ("{% if a == 'x' and not b %}1{% elif b %}2{% endif %}", {"a": "x", "b": True}, "2"),
        ("{% if a in ['x', 'y'] %}in{% endif %}", {"a": "y"}, "in"),
        ("{% if a is none %}none{% endif %}", {"a": None}, "none"),
        ("{% for k in a %}- {{ k }}\n{% endfor %}", {"a": ["x", "y"]}, "- x\n- y"),
        (
            "{% for k in a %}{{ loop.index }}{{ k }}{% if not loop.last %}, {% endif %}{% endfor %}",
            {"a": ["x", "y"]},
            "1x, 2y",
        ),
        ("{% for k in a %}{{ k }}{% else %}none{% endfor %}", {"a": []}, "none"),
        ("{{ a|join(', ') }} {{ a|length }} {{ a|first }} {{ a|last }}", {"a": ["x", "y"]}, "x, y 2 x y"),
        ("{{ a|trim|upper }}{{ a|trim|lower }}", {"a": " Xy "}, "XYxy"),
        ("{{ 'yes' if a else 'no' }}", {"a": 1}, "yes"),
        ("a {# {{ nothing }} #}b", {}, "a b"),
        ("{% raw %}{{ a }}{% endraw %}", {}, "{{ a }}"),
        ("{{ '<b>' }}{{ a|default('<i>') }}", {"a": "<u>"}, "&lt;b&gt;&lt;u&gt;"),
    ],
)
def test_what_templates_may_say(profile_of, user, values, text):
    assert said(profile_of, user, **values) == text


HOSTILE = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ a.__class__ }}",
    "{{ a['__class__'] }}",
    "{{ a|attr('__class__') }}",
    "{{ a.format('x') }}",
    "{{ a.upper() }}",
    "{{ '{0.__class__}'.format(a) }}",
    "{{ '%s' % a }}",
    "{{ a|format('x') }}",
    "{{ a.append('x') }}",
    "{{ a|map(attribute='x')|list }}",
    "{{ a|tojson }}",
    "{{ a|safe }}",
    "{{ a|replace('a', 'b') }}",
    "{{ a|center(1000000000) }}",
    "{{ a|join(b) }}",
    "{{ range(1000000000) }}",
    "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 'a' * 10000000000 }}",
    "{{ a ~ a }}",
    "{{ a + a }}",
    "{{ -a }}",
    "{{ [a, a] }}",
    "{{ {'x': a} }}",
    "{{ a[b] }}",
    "{{ a[-1] }}",
    "{% if 'x' in a %}{% endif %}",
    "{% if 'x' not in a %}{% endif %}",
    "{{ 'x' if a }}",
    "{{ a[0:3] }}",
    "{% set x = 1 %}",
    "{% set x %}y{% endset %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call a() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = 1 %}{% endwith %}",
    "{% block x %}{% endblock %}",
    "{% extends 'x' %}",
    "{% include 'x' %}",
    "{% include a %}",
    "{% include ['x', 'y'] ignore missing %}",
    "{% import 'x' as x %}",
    "{% from 'x' import y %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% do a %}",
    "{% for k in a recursive %}{{ loop(k) }}{% endfor %}",
    "{% for k in a if k %}{% endfor %}",
    "{% for k, v in a %}{% endfor %}",
    "{% for loop in a %}{% endfor %}",
    "{% for k in a %}{{ loop.cycle('x') }}{% endfor %}",
    "{{ _budget }}",
    "{{ a|_counted }}",
    "{{ a|_compared }}",
    "{{ a is sameas b }}",
    "{{ a is callable }}",
    "{{ 1e999 }}",
    "{{ 9007199254740992 }}",
    "{{ 0x" + "f" * 5_000 + " }}",
    "{{ " + "9" * 6000 + " }}",
    "{{ a",
    "{% if a %}",
    "{{ '\\N{NO SUCH}' }}",
    "{{ " + "(" * 20_000 + " }}",
    "{{ " + "not " * 15_000 + "a }}",
    "{% if a %}" * 3_000,
    "{{ " + " and ".join(["a"] * 100) + " }}",
    "{{ a" + ".b" * 100 + " }}",
    "{{ a }}" * 5_000,
    "x" * (MAX_TEMPLATE_BYTES + 1),
    "é" * (MAX_TEMPLATE_BYTES // 2 + 1),
]


@pytest.mark.parametrize("text", ["sea {#", "sea {#\n", "sea {#\n\n", "a\nb {% raw %}", "{#-"])
def test_what_is_begun_and_not_ended_is_refused_with_its_line(text):
    with pytest.raises(TemplateRefused, match="Missing end of") as caught:
        compiled(text)
    assert caught.value.line == 1 + text.rstrip().count("\n")


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:40])
def test_whatever_else_a_template_says_is_refused_before_it_runs(text):
    with pytest.raises(TemplateRefused):
        compiled(text)


@pytest.mark.parametrize(
    ("user", "values"),
    [
        ("{{ a.nothing }}", {"a": {}}),
        ("{{ a.keys }}", {"a": {}}),
        ("{{ a.upper }}", {"a": "x"}),
        ("{{ a[3] }}", {"a": []}),
        ("{{ a[0] }}", {"a": "text"}),
        ("{{ a }}", {"a": None}),
        ("{{ a }}", {"a": True}),
        ("{{ a }}", {"a": ["x"]}),
        ("{{ a }}", {"a": {"x": 1}}),
        ("{{ a|first }}", {"a": []}),
        ("{{ a|join }}", {"a": "text"}),
        ("{{ a|join }}", {"a": [["x"]]}),
        ("{{ a|upper }}", {"a": 3}),
        ("{% for k in a %}{% endfor %}", {"a": "text"}),
        ("{% for k in a %}{% endfor %}", {"a": {"x": 1}}),
        ("{% for k in a %}{{ loop.changed }}{% endfor %}", {"a": ["x"]}),
        ("{% if a < 3 %}{% endif %}", {"a": "x"}),
    ],
)
def test_what_cannot_be_printed_is_an_error_and_never_half_a_prompt(profile_of, user, values):
    with pytest.raises(RenderError, match="made/caption user"):
        said(profile_of, user, **values)


def test_a_name_that_has_no_value_is_an_error_with_its_name(profile_of):
    optional = {"a": {**ANY, "required": False}}
    with pytest.raises(RenderError, match="'a' is undefined"):
        render(profile_of(user="{{ a }}", variables=optional), "caption", {})
    with pytest.raises(RenderError, match="'a' is undefined"):
        render(profile_of(user="x{% if a %}y{% endif %}", variables=optional), "caption", {})
    with pytest.raises(RenderError, match="'a' is undefined"):
        render(profile_of(user="x{% for k in a %}y{% endfor %}", variables=optional), "caption", {})


def test_an_optional_value_can_be_asked_for_and_replaced(profile_of):
    profile = profile_of(
        user="{% if a is defined %}{{ a }}{% else %}none{% endif %} {{ a|default('nothing') }}",
        variables={"a": {**ANY, "required": False}},
    )
    assert render(profile, "caption", {}).user == "none nothing"
    assert render(profile, "caption", {"a": "x"}).user == "x x"


def test_loops_end_after_so_many_turns_even_if_they_print_nothing(profile_of):
    loops = "{% for i in a %}{% for j in a %}{% for k in a %}{% endfor %}{% endfor %}{% endfor %}done"
    assert said(profile_of, loops, a=[1] * 10) == "done"
    with pytest.raises(RenderLimit, match=f"{MAX_LOOP_TURNS:,} turns"):
        said(profile_of, loops, a=[1] * 1_000)


def test_the_work_in_loops_is_bounded_too(profile_of):
    condition = "{% if b|upper == 'y' %}{% endif %}"
    assert (
        said(profile_of, "{% for i in a %}" + condition + "{% endfor %}done", a=[1] * 4_000, b="x") == "done"
    )
    with pytest.raises(RenderLimit, match=f"{MAX_STEPS:,} steps"):
        said(profile_of, "{% for i in a %}" + condition * 400 + "{% endfor %}", a=[1] * 4_000, b="x")


VALUES = {
    "long": "Ab" * 20_000,
    "words": ["Ab"] * 4_000,
    "deep": {"x": [["Ab"] * 4_000]},
    "hidden": "\x00" * 40_000,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "value"),
    [
        ("{% if b|lower|upper|lower|upper == '' %}{% endif %}", "long"),
        ("{% if b|trim is none %}{% endif %}", "long"),
        ("{% if b|join is none %}{% endif %}", "words"),
        ("{% if b == c %}{% endif %}", "long"),
        ("{% if b < c %}{% endif %}", "long"),
        ("{% if b in ['x'] %}{% endif %}", "long"),
        ("{% if b == c %}{% endif %}", "words"),
        ("{% if b == c %}{% endif %}", "deep"),
        ("{{ b }}", "hidden"),
    ],
)
@pytest.mark.parametrize("often", ["looped", "repeated"])
def test_work_on_long_values_is_bounded_however_it_is_said(profile_of, often, work, value):
    values = {"b": VALUES[value], "c": VALUES[value]}
    assert said(profile_of, f"x{work}", **values) == "x"
    text = f"{{% for i in a %}}{work}{{% endfor %}}" if often == "looped" else work * 200
    with pytest.raises(RenderLimit, match=f"{MAX_STEPS:,} steps"):
        said(profile_of, f"x{text}", a=[1] * 200, **values)


def test_what_looks_at_no_more_than_a_length_costs_nothing_for_a_long_value(profile_of):
    work = "{% if b|length > 3 and b|first is defined and b|last is defined %}{% endif %}"
    assert (
        said(profile_of, "{% for i in a %}" + work + "{% endfor %}x", a=[1] * 1_000, b=["Ab"] * 4_000) == "x"
    )


def test_output_ends_at_its_limit(profile_of):
    with pytest.raises(RenderLimit, match="prints more than"):
        said(profile_of, "{% for i in a %}{{ b }}{% endfor %}", a=[1] * 100, b="x" * 10_000)
    with pytest.raises(RenderLimit, match="filter join makes more than"):
        said(profile_of, "{{ a|join('" + "-" * 1_000 + "') }}", a=["x"] * 1_000)
    assert (
        len(said(profile_of, "{{ a }}{{ a }}", a="x" * (MAX_OUTPUT_CHARACTERS // 4)))
        == MAX_OUTPUT_CHARACTERS // 2
    )


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("You look.{% if 1 %} Long.{% endif %}{% for k in ['a'] %}{{ k }}{% endfor %}", True),
        ("You look at {{ a }}.", False),
        ("You look.{% if a %}{% endif %}", False),
    ],
)
def test_a_template_that_uses_no_value_prints_the_same_for_all(text, constant):
    assert is_constant(text) is constant


def test_a_value_is_never_read_as_a_template(profile_of):
    assert said(profile_of, "{{ a }}", a="{{ b }}{% for %}{# #}") == "{{ b }}{% for %}{# #}"


def test_free_names_are_those_that_no_loop_binds():
    tree = syntax_tree(
        "{{ a }}\n{% for k in b %}{{ k }}{{ loop.index }}{{ c }}{% endfor %}\n{{ k }}{{ loop }}"
    )
    assert free_names(tree) == {"a": 1, "b": 2, "c": 2, "k": 3, "loop": 3}


# fmt: off
pieces = st.sampled_from(
    [
        "{{ ", " }}", "{% ", " %}", "{#", "#}", "a", "b", "'x'", "|", "join", ".", "[0]", "(", ")", "for ", " in ",
        "if ", "endif", "endfor", "is ", "defined", "else", "set ", "=", "~", "*", "9", "loop", "include ", "raw",
        "endraw", "-", "\n",
    ]
)
# fmt: on


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(pieces, max_size=25).map("".join))
def test_any_text_is_rendered_or_refused_with_an_error_of_ours(profile_of, text):
    try:
        said(profile_of, f"x{text}", a="sea", b=["x", "y"])
    except PromptHubError:
        pass
    else:
        compiled(f"x{text}")
