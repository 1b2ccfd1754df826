"""A program that tries hostile templates within limits of memory and time, and tells what came of each as JSON.

It is given JSON on stdin: a folder, texts, and partials. What is neither refused by an error of ours nor within the
limits ends it.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from prompt_hub.errors import PromptHubError
from prompt_hub.hub import PromptHub
from prompt_hub.live import LiveHub
from prompt_hub.memory import Memory
from prompt_hub.rendering import render
from prompt_hub.schema import PromptProfile

MEMORY = 1024 * 1024 * 1024
SECONDS = 240

VALUES = {"title": "Low tide", "words": ["sea", "tide"] * 50, "deep": {"key": "title", "words": ["sea"]}}
VARIABLES = {
    "title": {"schema": {"type": "string"}, "required": False},
    "words": {"schema": {"type": "array", "items": {"type": "string"}}, "required": False},
    "deep": {"schema": {"type": "object"}, "required": False},
}
OUTPUT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["caption"],
    "properties": {"caption": {"type": "string"}},
}
MEMORY_OF_SHIPPED = Memory()


def profile(stage, partials):
    return {
        "id": "made",
        "application": "base",
        "partials": partials,
        "stages": {"say": {"user": "Look.", "variables": VARIABLES, "output": OUTPUT, **stage}},
    }


AS_VALUES = profile({"user": "<t>{{ title }}</t>{% for word in words %}<w>{{ word }}</w>{% endfor %}"}, {})
del AS_VALUES["partials"]


def tried_as(place, text, partials, file):
    """The messages that come of a text as a file's template; whatever is refused is raised."""
    if place == "partial":
        content = profile({"user": '{% include "hostile" %}'}, {**partials, "hostile": text})
    else:
        content = profile({place: text}, partials)
    file.write_text(json.dumps(content), encoding="utf-8")
    hub = PromptHub.load(None, files=[file], memory=MEMORY_OF_SHIPPED)
    rendered = render(hub.get("made"), "say", VALUES)
    return {"size": max(len(rendered.system), len(rendered.user))}


def tried_above(live, text, partials, folder):
    """The same with a layer of the user's above a shipped profile, in a hub that runs on."""
    before = live.current
    stage = {"user": text, "variables": VARIABLES}
    content = {"id": "library", "partials": partials, "stages": {"caption": stage}}
    (folder / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    try:
        live.reload()
    except PromptHubError:
        if live.current is not before:
            raise AssertionError("a broken layer is served") from None
        raise
    rendered = render(
        live.current.get("library"),
        "caption",
        {**VALUES, "signals": "x", "existing_keywords": [], "folder_words": []},
    )
    return {"size": max(len(rendered.system), len(rendered.user))}


def tried_as_value(text):
    """The user message that comes of a text as a value, alone and in a list."""
    made = PromptProfile.model_validate(AS_VALUES)
    return {"text": render(made, "say", {"title": text, "words": [text], "deep": {}}).user}


def outcome(trying, *arguments):
    try:
        return trying(*arguments)
    except PromptHubError as error:
        return {"refused": type(error).__name__, "words": str(error)[:200]}


def main():
    given = json.load(sys.stdin)
    folder = Path(given["folder"])
    layer = folder / "layer"
    layer.mkdir()
    live = LiveHub(layer)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    told = []
    for text in given["texts"]:
        partials = given["partials"]
        told.append(
            {
                **{
                    place: outcome(tried_as, place, text, partials, folder / "made.yaml")
                    for place in ("user", "system", "partial")
                },
                "layer": outcome(tried_above, live, text, partials, layer),
                "value": outcome(tried_as_value, text),
            }
        )
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
