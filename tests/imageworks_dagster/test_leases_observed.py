"""A whole run in mode observe: nobody waits, no server is told anything, and what would have waited is told."""

import json

import pytest
from ollama_double import OllamaDouble
from typer.testing import CliRunner

from backends.__main__ import app
from store.settings import Settings
from telemetry.catalog import connect

# Either model fits on the card, and not both.
DEVICES = """
devices:
  card: {kind: whole, memory_mib: 24000}
models:
"""
MODEL = """
  {name}:
    roles: [caption, keywords, description]
    capabilities:
      chat: {{context_tokens: 8192, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    footprint: {{vram_mib: 16000, source: made up}}
    deployments:
      - {{name: local, provider: ollama, base_url: "{url}", served_model_id: {name}, devices: [card]}}
"""
CHOSEN = {
    "tagger/captions": {"model": "near-vlm"},
    "tagger/keywords": {"model": "far-vlm"},
    "tagger/descriptions": {"model": "near-vlm"},
}


@pytest.fixture
def observed(platform, shoot_folder):
    """The server, after a shoot was tagged by two models that take turns on one card."""
    platform.settings = Settings(home=platform.settings.home, leases="observe")
    batch = platform.register("tagger", shoot_folder)
    names = ("near-vlm", "far-vlm")
    with OllamaDouble(pulled={name: ["completion", "vision"] for name in names}) as double:
        text = DEVICES + "".join(MODEL.format(name=name, url=double.url) for name in names)
        (platform.settings.home / "registry.yaml").write_text(text, encoding="utf-8")
        assert platform.run("tagger", batch, config=CHOSEN).success
        yield double


def select(platform, query):
    with connect(platform.store.home) as connection:
        return connection.sql(query).fetchall()


def test_it_blocks_nothing_and_tells_no_server_to_load_or_unload(platform, observed):
    asked = select(platform, "SELECT DISTINCT model, lease_wait_ms FROM events WHERE status = 'ok'")
    assert {model for model, _ in asked} == {"near-vlm", "far-vlm"}
    assert {waited for _, waited in asked} <= {0.0, None}
    # Neither was unloaded for the other: who had enforced leases would have found one.
    assert set(observed.loaded) == {"near-vlm", "far-vlm"}


@pytest.mark.slow
def test_its_would_block_decisions_name_both_models_and_why(platform, observed, monkeypatch):
    del observed
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))
    told = CliRunner().invoke(app, ["decisions", "--kind", "would_block", "--json"])
    decisions = json.loads(told.stdout)
    assert {one["model"] for one in decisions} == {"near-vlm", "far-vlm"}
    assert {one["mode"] for one in decisions} == {"observe"}
    assert all(one["reason"] for one in decisions)
    # Descriptions find near-vlm still there: the stage before it would have waited, and was done too soon.
    assert {"tagger/captions", "tagger/keywords"} <= {one["stage"] for one in decisions} <= set(CHOSEN)
