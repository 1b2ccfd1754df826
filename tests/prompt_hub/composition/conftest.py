from __future__ import annotations

import pytest

from prompt_hub.composition.files import load_compositions
from prompt_hub.hub import PromptHub

PROFILE = """\
id: say
application: base
stages:
  draft:
    user: <topic>{{ topic }}</topic>
    images: 0
    variables: {topic: string}
    output: {text: string, mark: integer, tags(array): string, mood(enum): [calm, wild]}
  check:
    user: <text>{{ text }}</text>
    images: 0
    variables: {text: string}
    output: {fine: boolean, why: string}
  change:
    user: <text>{{ text }}</text><why>{{ why }}</why>{% if tag is defined %}<tag>{{ tag }}</tag>{% endif %}
    images: 0
    variables:
      text: string
      why: string
      tag?: string
    output: {text: string}
  look:
    user: <tags>{{ tags|join }}</tags>{{ most }}
    images: 1
    variables: {tags(array): string, most: integer}
    output:
      type: object
      additionalProperties: false
      required: [seen]
      properties: {seen: {type: array, maxItems: 3, items: {type: string}}}
"""

HEAD = "id: made\nprofile: say\ninputs:\n  topic: string\n"


@pytest.fixture
def made(user_folder):
    """Loads a composition of these nodes and outputs, in a hub with a profile of four stages."""
    user_folder.write("say.yaml", PROFILE)
    (user_folder.path / "compositions").mkdir()

    def load(nodes, outputs="outputs: {text: draft.text}\n", head=HEAD):
        body = "".join(f"  {line}\n" for line in nodes.strip().splitlines())
        user_folder.write("compositions/made.yaml", f"{head}nodes:\n{body}{outputs}")
        hub = PromptHub.load(user_folder.path)
        return load_compositions(user_folder.path, hub.profiles)["made"], hub.profiles

    return load
