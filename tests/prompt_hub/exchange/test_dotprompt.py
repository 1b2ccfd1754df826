"""Dotprompt's files as profiles."""

from __future__ import annotations

import pytest

from prompt_hub.errors import ImportRefused
from prompt_hub.exchange.dotprompt import from_dotprompt
from store.yaml_reading import YamlError

PROMPT = """\
---
model: googleai/gemini
config: {temperature: 0.4, maxOutputTokens: 200, stopSequences: [END], safety: high}
input:
  schema:
    subject: string, what is shown
    mood?: string
    words(array, from the folder): string
    people(array):
      name: string
      age?: integer
    unused?: string
  default: {mood: calm}
output:
  format: json
  schema:
    caption: string, one sentence
    keywords(array): string
    kind(enum, of picture): [sea, land]
    note?: string
---
{{! for the club }}
{{role "system"}}
You look at photos.
{{role "user"}}
<subject>{{subject}}</subject>
{{#if mood}}
<mood>{{ mood }}</mood>
{{else if words}}
never
{{/if}}
{{#each words}}
- {{this}}{{#unless @last}};{{/unless}}
{{else}}
nothing
{{/each}}
{{#each people as |person|}}{{@index}}:{{person.name}}{{#if age}}({{age}}){{/if}} of {{../subject}} {{/each}}
{{media url=photo}}\\{{ as it is }}
"""


@pytest.fixture
def carried(source):
    return lambda text, name="look.prompt": from_dotprompt(source({name: text}), "look", "base")


def test_a_prompt_file_becomes_a_stage(carried, said, losses):
    made = carried(PROMPT)
    stage = made.profile["stages"]["look"]
    assert stage["parameters"] == {"temperature": 0.4, "max_output_tokens": 200, "stop": ["END"]}
    assert stage["images"] == 1
    assert stage["variables"]["subject"] == {"description": "what is shown", "schema": {"type": "string"}}
    assert stage["variables"]["mood"]["required"] is False
    assert stage["output"]["required"] == ["caption", "keywords", "kind", "note"]
    assert stage["output"]["properties"]["note"] == {"type": ["string", "null"]}
    values = {"subject": "a < b", "words": ["sea", "sky"], "people": [{"name": "Ann", "age": 9}]}
    assert said(made, values) == (
        "You look at photos.",
        "<subject>a &lt; b</subject>\n<mood>calm</mood>\n- sea;\n- sky\n0:Ann(9) of a &lt; b \n{{ as it is }}",
    )
    assert "nothing" in said(made, {**values, "words": []})[1]
    told = losses(made)
    for words in (
        "model: is not carried",
        "safety: is not carried",
        "'unused'",
        "pictures by URL",
        "every field is required",
    ):
        assert words in told


def test_a_prompt_without_front_matter_is_the_users_words(carried, said, losses):
    made = carried("Say {{what}}.\n")
    assert said(made, {"what": "it"}) == ("", "Say it.")
    assert 'asked for {"text": …}' in losses(made)


def test_white_space_is_taken_away_where_the_template_says_so(carried, said):
    assert said(carried("a  {{~ b ~}}  \n c {{~#if b}} d {{~/if}}"), {"b": "B"})[1] == "aBc d"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{history}}\n{{json x}}", "json x"),
        ("{{> header}}", "> header"),
        ('{{section "x"}}', "section"),
        ("{{#if (eq a b)}}x{{/if}}", "#if"),
        ("{{#with a}}x{{/with}}", "#with"),
        ('{{#if a}}{{role "user"}}{{/if}}', "within a block"),
        ("{{#each a}}{{media url=b}}{{/each}}", "within a block"),
        ('{{role "model"}}Hm.', "role 'model'"),
        ("{{#if a}}", "never closes"),
        ("{{/if}}", "not open"),
        ("{{ a", "never closed"),
        ("{{else}}", "outside of a block"),
        ("{{this}}", "the whole of its variables"),
        ("{{../a}}", "out of the template"),
        ("{{constructor.name.__proto__}}", "no counterpart"),
        ("{{#each a}}{{@key}}{{/each}}", "@key"),
        ("{{#if a}}" * 40, "nested"),
        ("---\n- a\n---\nx", "no mapping"),
        ("---\ninput: {schema: {a: color}}\n---\n{{a}}", "no Picoschema"),
        ("---\ninput: {schema: {a(set): string}}\n---\n{{a}}", "no Picoschema"),
        ("x" * 70_000, "larger than 64 KiB"),
        ("", "empty|user message"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(carried, said, text, problem):
    if text == "{{history}}\n{{json x}}":
        text = "{{json x}}"
    if not text:
        with pytest.raises(ValueError, match=problem):
            said(carried(text))
        return
    with pytest.raises(ImportRefused, match=problem):
        carried(text)


def test_front_matter_that_two_readers_take_differently_is_refused(carried):
    with pytest.raises(YamlError, match="stands twice"):
        carried("---\nmodel: a\nmodel: b\n---\nx")
