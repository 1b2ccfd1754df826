"""What a person sees of leases beside a stage's table."""

import pytest
from ollama_double import OllamaDouble

from store.settings import Settings

CAPTIONS = "tagger/captions"

REGISTRY = """
devices:
  card: {{kind: whole, memory_mib: 24000}}
models:
  near-vlm:
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 8192, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    footprint: {{vram_mib: 16000, source: made up}}
    deployments:
      - {{name: local, provider: ollama, base_url: "{url}", served_model_id: near-vlm, devices: [card]}}
"""


@pytest.fixture
def caption(platform, shoot_folder):
    """Captions the shoot with an Ollama server's model, under a mode of leases; gives what is shown of it."""
    batch = platform.register("tagger", shoot_folder)

    def run(leases):
        platform.settings = Settings(home=platform.settings.home, leases=leases)
        with OllamaDouble(pulled={"near-vlm": ["completion", "vision"]}) as double:
            text = REGISTRY.format(url=double.url)
            (platform.settings.home / "registry.yaml").write_text(text, encoding="utf-8")
            result = platform.run(
                "tagger", batch, only=["tagger/photos", CAPTIONS], config={CAPTIONS: {"model": "near-vlm"}}
            )
        assert result.success
        (event,) = [
            event
            for event in result.get_asset_materialization_events()
            if event.asset_key.to_user_string() == CAPTIONS
        ]
        return {name: value.value for name, value in event.materialization.metadata.items()}

    return run


@pytest.mark.slow
def test_a_stage_shows_how_often_it_waited_for_a_lease_and_what_was_loaded_for_it(caption):
    shown = caption("enforce")
    assert 1 <= shown["lease_waits"] <= 5
    assert r"| loaded | near\-vlm | card |" in shown["model_switches"]
    assert list(shown).index("lease_waits") == list(shown).index("lease_wait_ms") + 1


def test_leases_that_are_only_observed_are_shown_as_such(caption):
    shown = caption("observe")
    assert shown["lease_waits"] >= 1
    assert shown["model_switches"].endswith("Only observed.")


def test_without_leases_nothing_is_said_of_them(caption):
    assert not {"lease_waits", "model_switches"} & set(caption("off"))
