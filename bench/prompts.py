"""What a thousand prompt profiles cost: to load, to load again, to reload after an edit, to get and render one.

Langfuse publishes 37 ms as the median of an uncached fetch of one prompt over its network
(langfuse.com/docs/prompt-management, 2025); ours is beside the program, and rendered within the figure.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.result import Result
from prompt_hub.hub import PromptHub
from prompt_hub.live import LiveHub
from prompt_hub.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILES = 1000
STAGES = ("caption", "keywords", "description")
RELOADS = 20
RENDERS = 2000
STAGE = """\
  {stage}:
    system: |
      You look at photograph {number} of a long series and say what is there, in plain words.
      {{% if mood is defined %}}The mood is <mood>{{{{ mood }}}}</mood>.{{% endif %}}
    user: |
      <title>{{{{ title }}}}</title>
      {{% for word in words %}}<word>{{{{ word }}}}</word> {{% endfor %}}
    variables:
      title: {{schema: {{type: string}}}}
      mood: {{schema: {{type: string}}, required: false}}
      words: {{schema: {{type: array, items: {{type: string}}}}}}
    parameters: {{temperature: 0.2, max_output_tokens: 300}}
    output:
      type: object
      additionalProperties: false
      required: [{stage}]
      properties: {{{stage}: {{type: string}}}}
"""
VALUES = {"title": "Low tide", "words": ["shingle", "trawler", "evening"]}


def run() -> list[Result]:
    """Write them, load them, and go on with them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "home" / "prompts"
        write(folder)
        cache = folder.parent / "cache" / "prompts.json"
        cold = timed(lambda: PromptHub.load(folder).version)
        PromptHub.load_cached(folder, cache)
        cached = timed(lambda: PromptHub.load_cached(folder, cache).version)
        return [
            Result("prompts_load_cold", cold, "s", 8.0),
            Result("prompts_load_cached", cached, "s", 0.5),
            Result("prompts_reload_after_an_edit", reload_s(folder) * 1e3, "ms", 50.0),
            Result("prompt_get_and_render", render_s(folder) * 1e6, "us", 100.0),
        ]


def write(folder: Path) -> None:
    """The user's layer: profiles of three stages."""
    folder.mkdir(parents=True)
    for number in range(PROFILES):
        stages = "".join(STAGE.format(stage=stage, number=number) for stage in STAGES)
        text = f"id: p{number:04d}\napplication: personal_tagger\nstages:\n{stages}"
        (folder / f"p{number:04d}.yaml").write_text(text, encoding="utf-8")


def reload_s(folder: Path) -> float:
    """Median seconds of a reload after one file was edited, once the others are known."""
    live = LiveHub(folder)
    # What was written within the last seconds is read again each time: its time might not tell of a second edit.
    time.sleep(2.1)
    live.reload()
    file = folder / "p0500.yaml"
    spent = []
    for number in range(RELOADS):
        file.write_text(file.read_text(encoding="utf-8") + f"# {number}\n", encoding="utf-8")
        spent.append(timed(live.reload))
    return statistics.median(spent)


def render_s(folder: Path) -> float:
    """Mean seconds to get a profile and render a stage, of ten profiles in turn, compiled before."""
    hub = PromptHub.load(folder)
    for number in range(10):
        render(hub.get(f"p{number:04d}"), "caption", VALUES)
    began = time.perf_counter()
    for number in range(RENDERS):
        render(hub.get(f"p{number % 10:04d}"), "caption", {**VALUES, "title": f"Entry {number}"})
    return (time.perf_counter() - began) / RENDERS


def timed(work: Callable[[], object]) -> float:
    """Seconds of it."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
