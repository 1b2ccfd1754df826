"""LangChain's prompt files as profiles."""

from __future__ import annotations

import json

import pytest

from prompt_hub.errors import ImportRefused
from prompt_hub.exchange.langchain import from_langchain


def constructor(kind, **fields):
    return {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", "x", kind], "kwargs": fields}


def template(text, form="f-string", **fields):
    return constructor("PromptTemplate", template=text, template_format=form, **fields)


CHAT = constructor(
    "ChatPromptTemplate",
    input_variables=["context", "question"],
    messages=[
        constructor("SystemMessagePromptTemplate", prompt=template("Use {context} and {{braces}}.")),
        constructor(
            "HumanMessagePromptTemplate",
            prompt=[
                template("<q>{question}</q>"),
                constructor("ImagePromptTemplate", template={"url": "{photo}"}),
            ],
        ),
    ],
)


def carried(source, value, **files):
    return from_langchain(source({"ask.json": json.dumps(value), **files}), "ask", "base")


def test_a_chat_prompt_has_a_system_and_a_user_message(source, said, losses):
    made = carried(source, CHAT)
    assert said(made, {"context_": "facts", "question": "a < b"}) == (
        "Use facts and {braces}.",
        "<q>a &lt; b</q>",
    )
    assert made.profile["stages"]["ask"]["images"] == 1
    assert "'context', which is called 'context_'" in losses(made)
    assert "asked for" in losses(made)


def test_a_format_string_prints_names_and_partials_as_they_are(source, said):
    value = {
        "_type": "prompt",
        "template": "{a}: {b} {{ {{{{ }} %}} {{% x",
        "input_variables": ["a"],
        "partial_variables": {"b": "{{ a }}"},
    }
    assert said(carried(source, value), {"a": "1"})[1] == "1: {{ a }} { {{ } %} {% x"


@pytest.mark.parametrize(
    "text", ["{a.__class__}", "{a[0]}", "{0}", "{}", "{a!r}", "{a:>10}", "{a:{b}}", "{", "}", "{a b}"]
)
def test_a_format_string_that_reaches_into_its_values_is_refused(source, text):
    with pytest.raises(ImportRefused, match=r"template: "):
        carried(source, {"_type": "prompt", "template": text})


def test_examples_are_said_each_time_in_the_same_words(source, said):
    value = {
        "_type": "few_shot",
        "prefix": "Opposites.",
        "suffix": "In: {word}",
        "examples": "examples.json",
        "example_prompt": {"_type": "prompt", "template": "In: {i}\nOut: {o}"},
        "example_separator": "\n--\n",
    }
    examples = json.dumps([{"i": "hot", "o": "cold"}, {"i": "{word}", "o": "{{ o }}"}])
    made = carried(source, value, **{"examples.json": examples})
    assert said(made, {"word": "day"})[1] == (
        "Opposites.\n--\nIn: hot\nOut: cold\n--\nIn: {word}\nOut: {{ o }}\n--\nIn: day"
    )


def test_jinja_stays_jinja_and_its_partials_are_defaults(source, said):
    value = {
        "_type": "prompt",
        "template": "{% if a %}\n  <a>{{ a }}</a>\n{% endif %}{{ b }}",
        "template_format": "jinja2",
        "partial_variables": {"b": "B"},
    }
    assert said(carried(source, value), {"a": "1"})[1] == "<a>1</a>\nB"


def test_mustache_prints_names_and_asks_whether_they_are_missing(source, said):
    value = {
        "_type": "prompt",
        "template": "{{! no }}{{a}} {{{b}}}{{^c}}none{{/c}}\n{{#xs}}\n- {{.}}\n{{/xs}}\n",
        "template_format": "mustache",
    }
    made = carried(source, value)
    assert said(made, {"a": "A", "b": "B", "c": "", "xs": ["1", "2"]})[1] == "A Bnone\n- 1\n- 2"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (constructor("ChatPromptTemplate", messages=[constructor("MessagesPlaceholder", variable_name="h")]),
         "MessagesPlaceholder"),
        (constructor("ChatPromptTemplate", messages=[constructor("AIMessagePromptTemplate", prompt=template("x"))]),
         "AIMessagePromptTemplate"),
        (constructor("RunnableLambda", func="os.system"), "is a RunnableLambda"),
        ({"_type": "prompt", "template": "{{#a}}x{{/a}}", "template_format": "mustache"}, "a condition or a loop"),
        ({"_type": "prompt", "template": "{{> other}}", "template_format": "mustache"}, "no counterpart"),
        ({"_type": "prompt", "template": "x", "template_format": "python"}, "'python'"),
        ({"_type": "prompt", "template_path": "../x.txt"}, "x.txt"),
        ({"_type": "prompt", "template": "{{ x.__class__ }}", "template_format": "jinja2"}, "starts with _"),
        ({"_type": "few_shot", "suffix": "x", "examples": "examples.txt"}, "cannot be found"),
        ({"_type": "prompt", "template": 7}, "must be text"),
        ([], "a mapping is expected"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_refused_by_name(source, value, problem):
    with pytest.raises(ImportRefused, match=problem):
        carried(source, value)


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 5000 + "]" * 5000])
def test_what_is_no_json_is_refused(source, text):
    with pytest.raises(ImportRefused, match="JSON"):
        from_langchain(source({"ask.json": text}), "ask", "base")


def test_two_names_that_would_become_one_are_refused(source):
    with pytest.raises(ImportRefused, match="both be called 'user_name'"):
        carried(source, {"_type": "prompt", "template": "{userName} {user_name}"})
