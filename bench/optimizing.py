"""A better prompt for the same task within the same budget: ours, which is GEPA in a contract, and DSPy's MIPROv2.

Both ask the tests' judging double, whose marks are right only if the prompt says how to mark, about the same examples,
and are scored on the same ones held out. DSPy is no dependency: it is installed into an environment of its own in the
cache folder, so this bench runs only when it is named, and with a package index at hand.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from bench.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (1, 2, 3, 4, 5)
BUDGET = 60
MARKS = (3, 17, 8, 12, 19, 5, 14, 10, 1, 16, 7, 20)
DOUBLE = Path(__file__).parent.parent / "tests" / "doubles" / "judging_double.py"
DSPY = Path(__file__).with_name("optimizing_dspy.py")

PROFILE = """
id: marks
application: base
stages:
  critique:
    images: 0
    system: Give a mark.
    user: <signals>{{ signals }}</signals>
    variables: {signals: {schema: {type: string}}}
    parameters: {temperature: 0.1, max_output_tokens: 200}
    output:
      type: object
      additionalProperties: false
      required: [critique, score]
      properties: {critique: {type: string}, score: {type: integer, minimum: 0, maximum: 20}}
"""
REGISTRY = """
models:
  bench-judge:
    roles: [judge]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    revision: "1"
"""


def run() -> list[Result]:
    """Each seed once with either; scores are 1 less the mean error of the marks held out, as a share of 20."""
    python = dspy_python()
    ours = [searched(seed, None) for seed in SEEDS]
    theirs = [searched(seed, python) for seed in SEEDS]
    for name, found in (("ours", ours), ("MIPROv2", theirs)):
        print(name, [(round(one["before"], 3), round(one["after"], 3), one["requests"]) for one in found])
    return [
        Result("optimize_held_out_before", mean(ours, "before"), "score"),
        Result("optimize_held_out_ours", mean(ours, "after"), "score"),
        Result("optimize_requests_ours", mean(ours, "requests"), "requests", BUDGET),
        Result("optimize_held_out_miprov2", mean(theirs, "after"), "score"),
        Result("optimize_requests_miprov2", mean(theirs, "requests"), "requests"),
    ]


def mean(found: list[dict[str, Any]], name: str) -> float:
    return float(statistics.mean(one[name] for one in found))


def searched(seed: int, python: Path | None) -> dict[str, Any]:
    """Scores held out and requests, as the server counted them; with DSPy if its interpreter is given."""
    with tempfile.TemporaryDirectory() as place, judging_server(seed) as url:
        folder = Path(place)
        rows = [{"signals": f"Quality: {mark}", "score": mark} for mark in MARKS]
        (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        found = by_ours(folder, url, seed) if python is None else by_dspy(folder, url, seed, python)
        return {**found, "requests": len(httpx.get(f"{url}/double/history").json())}


def by_ours(folder: Path, url: str, seed: int) -> dict[str, float]:
    (folder / "home" / "prompts").mkdir(parents=True)
    (folder / "home" / "prompts" / "marks.yaml").write_text(PROFILE, encoding="utf-8")
    (folder / "home" / "registry.yaml").write_text(REGISTRY.format(url=url), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("imageworks")), "prompts", "optimize", "marks", "--stage", "critique",
        "--data", "labels.jsonl", "--metric", "mae", "--model", "bench-judge", "--budget", str(BUDGET),
        "--seed", str(seed), "--holdout", "0.25",
    ]  # fmt: skip
    environment = {**os.environ, "IMAGEWORKS_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("held out: "))
    before, after = (float(word) for word in line.replace(",", "").split() if word[0].isdigit())
    return {"before": before, "after": after}


def by_dspy(folder: Path, url: str, seed: int, python: Path) -> dict[str, float]:
    # -P: the bench's own platform.py is not the standard library's.
    given = [url, str(folder / "labels.jsonl"), str(seed), str(BUDGET), *held_out(seed)]
    environment = {**os.environ, "DSPY_CACHEDIR": str(folder / "cache"), "HOME": str(folder)}
    done = subprocess.run(
        [str(python), "-P", str(DSPY), *given],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def held_out(seed: int) -> list[str]:
    """The same examples as ours."""
    from prompt_hub.improving.examples import Example, Examples  # noqa: PLC0415 - the bench's own process

    rows = tuple(Example(number, {}, None, None, None) for number in range(len(MARKS)))
    return [str(one.number) for one in Examples(rows, "").split(0.25, seed)[1]]


def dspy_python() -> Path:
    """DSPy's own interpreter; made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "imageworks-bench" / "dspy"
    python = cache / "bin" / "python"
    if not (cache / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "dspy", "optuna"], check=True)
        (cache / "ready").touch()
    return python


@contextmanager
def judging_server(seed: int) -> Iterator[str]:
    """The URL of a server that proposes texts in the order of this seed."""
    command = [sys.executable, str(DOUBLE), "--salt", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
