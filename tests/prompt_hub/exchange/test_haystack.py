"""Haystack's pipelines as profiles."""

from __future__ import annotations

import pytest

from prompt_hub.errors import ImportRefused
from prompt_hub.exchange.haystack import from_haystack

PIPELINE = """\
components:
  ask:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters:
      required_variables: [query]
      template: |
        {% for document in documents %}
          {{ document.content }}
        {% endfor %}
        <q>{{ query }}</q>{{ hint }}
  chat:
    type: haystack.components.builders.chat_prompt_builder.ChatPromptBuilder
    init_parameters:
      required_variables: "*"
      template:
        - {role: system, content: [{text: "Speak {{ language }}."}], meta: {}, name: null}
        - {_role: user, _content: [{text: "{{ query }}"}], _meta: {}, _name: null}
  llm:
    type: haystack.components.generators.chat.openai.OpenAIChatGenerator
    init_parameters: {model: x}
connections: [{sender: ask.prompt, receiver: llm.messages}]
metadata: {}
"""


def test_each_builder_is_a_stage(source, said, losses):
    made = from_haystack(source({"rag.yaml": PIPELINE}), "rag", "base")
    assert list(made.profile["stages"]) == ["ask", "chat"]
    assert said(made, {"query": "why"}) == ("", "<q>why</q>")
    documents = [{"content": "A"}, {"content": "B"}]
    assert said(made, {"query": "why", "documents": documents, "hint": "!"}) == (
        "",
        "A\n\n  B\n\n<q>why</q>!",
    )
    assert said(made, {"language": "German", "query": "why"}, "chat") == ("Speak German.", "why")
    assert made.profile["stages"]["ask"]["variables"]["documents"] == {
        "schema": {"type": "array"},
        "required": False,
    }
    assert "components.llm: is a OpenAIChatGenerator" in losses(made)
    assert "connections: is not carried" in losses(made)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ('{template: "{% message role=\\"user\\" %}x{% endmessage %}"}', "unknown tag 'message'"),
        ('{template: "{{ documents | tojson }}"}', "the filter 'tojson'"),
        ('{template: "{{ cycler.__init__.__globals__ }}"}', "starts with _"),
        ("{template: [{role: assistant, content: [{text: x}]}]}", "role 'assistant'"),
        ("{template: [{role: user, content: [{image: {base64_image: x}}]}]}", "something else than text"),
        ("{template: 7}", "must be a text"),
        ("{template: x, required_variables: 7}", "required_variables"),
    ],
)
def test_what_would_say_something_else_here_is_refused(source, parameters, problem):
    text = f"type: haystack.components.builders.PromptBuilder\ninit_parameters: {parameters}\n"
    with pytest.raises(ImportRefused, match=problem):
        from_haystack(source({"one.yaml": text}), "one", "base")


def test_a_pipeline_without_a_prompt_is_refused(source):
    with pytest.raises(ImportRefused, match="no PromptBuilder"):
        from_haystack(source({"one.yaml": "components: {llm: {type: x.Generator}}\n"}), "one", "base")
