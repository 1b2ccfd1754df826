"""Templates written anew: what they print stays the same, whatever their white space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jinja2.exceptions import TemplateSyntaxError

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.jinja_text import forgiving, literal, parsed, written
from prompt_hub.filters import BUDGET, Budget
from prompt_hub.templates import compiled, environment

VALUES = {"a": "one", "b": "", "xs": ["p", "q"], "empty": [], "m": {"k": "v"}}

pieces = st.recursive(
    st.sampled_from(
        ["x", " ", "\n", "  \n", "\t", "{", "%", "{ {", "}}", "{{ a }}", "{{ a | upper }}", "{{ xs | join(', ') }}",
         "{{ m.k }}", "{{ xs[1] }}", '{{ "{%" }}', "{# no #}", "{% raw %}{{ a }} {%{% endraw %}",
         "{{ a if a == 'one' and not b else 'z' }}", "{{ (a if b else 'y') | upper }}", '{{ "\\n\\\\\\"" }}']
    ),
    lambda inner: st.builds(
        lambda tag, body, other: tag.replace("BODY", "".join(body)).replace("OTHER", "".join(other)),
        st.sampled_from(
            ["{% if a %}BODY{% endif %}", "{% if b %}BODY{% else %}OTHER{% endif %}",
             "{% if b %}BODY{% elif xs %}OTHER{% endif %}", "{% for x in xs %}BODY{{ x }}{{ loop.index }}{% endfor %}",
             "{% for x in empty %}BODY{% else %}OTHER{% endfor %}", "{% if a in ['one', 2] %}BODY{% endif %}",
             "{% if a is defined and not (b or xs is none) %}BODY{% endif %}"]
        ),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=2),
    ),
    max_leaves=12,
)  # fmt: skip


def as_others_print(text):
    """With white space around tags as it stands, as Jinja2 and Nunjucks have it unless told otherwise."""
    plain = Environment(keep_trailing_newline=True)
    plain.filters.update({name: plain.filters[name] for name in ("join", "upper")})
    plain.tests["null"] = plain.tests["none"]  # as Nunjucks calls it
    return plain.from_string(text).render(VALUES)


def as_the_hub_prints(text):
    return compiled(text).render({**VALUES, BUDGET: Budget()})


def is_template(text):
    try:
        environment().parse(text)
    except TemplateSyntaxError:
        return False
    return True


templates = st.lists(pieces, max_size=6).map("".join).filter(is_template)


@given(templates)
def test_a_template_that_is_written_anew_prints_the_same_here(text):
    assert as_the_hub_prints(written(parsed(text), "hub")).strip() == as_others_print(text).strip()


@given(templates)
def test_a_template_of_the_hub_prints_the_same_where_white_space_counts(text):
    tree = environment().parse(text)
    assert as_others_print(written(tree, "nunjucks")).strip() == as_the_hub_prints(text).strip()


@given(st.text(st.sampled_from("{}%# \nab\"'\\"), max_size=40))
def test_a_literal_prints_itself(text):
    expected = text.replace("\r\n", "\n")
    assert as_the_hub_prints(written(parsed(literal(text)), "hub")).strip() == expected.strip()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% set x = 1 %}", "sets a variable"),
        ("{{ x() }}", "calls something"),
        ("{{ x | tojson }}", "'tojson'"),
        ("{{ x.__class__ }}", "none starts with _"),
        ("{% include 'x' %}", "includes"),
        ("{% for x in xs if x %}{% endfor %}", "loop"),
    ],
)
def test_what_templates_may_not_say_is_refused_by_name(text, problem):
    with pytest.raises(TemplateRefused, match=problem):
        parsed(text)


def test_a_variable_that_may_be_missing_prints_nothing_then():
    text = "{{ a }}{% if b %}B{% endif %}{% for x in xs %}{{ x }}{% else %}none{% endfor %}{{ c is defined }}"
    tree = forgiving(parsed(text.replace("{{ c is defined }}", "")), {"a": "", "b": "", "xs": ""})
    template = compiled(written(tree, "hub"))
    assert template.render({BUDGET: Budget()}) == "none"
    assert template.render({"a": "A", "b": "x", "xs": ["1"], BUDGET: Budget()}) == "AB1"


def test_an_empty_list_is_asked_for_its_length_where_it_would_be_true():
    tree = environment().parse("{% if xs and a %}x{% endif %}")
    assert written(tree, "nunjucks", lists={"xs"}) == "{% if (xs | length) and (a) %}x{% endif %}"
