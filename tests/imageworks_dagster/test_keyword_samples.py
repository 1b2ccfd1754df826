"""Keywords asked for several times of a model on a server: what the answers agree on, and a sample that fails."""

from __future__ import annotations

import pytest
from made_up_photos import write_photo
from vllm_double import Http, Says, VllmDouble

REGISTRY = """
models:
  double-vlm:
    description: A double of a vLLM server.
    roles: [keywords]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 1, max_long_side: 1024}}
    deployments:
      - {{name: here, provider: vllm, base_url: "{url}"}}
    revision: "1"
roles: {{keywords: double-vlm}}
"""
ASKED = ["tagger/photos", "tagger/captions", "tagger/keywords"]
ANSWERS = [
    Says('{"keywords": ["boat", "fog", "pier"]}'),
    Says('{"keywords": ["Boats", "gull", "fog"]}'),
    Http(400),
    Says('{"keywords": ["gull", "boat"]}'),
]


@pytest.mark.slow
def test_a_sample_that_failed_is_asked_again_alone_and_the_answers_are_held_against_one_another(
    platform, tmp_path
):
    write_photo(tmp_path / "shoot" / "pier.jpg", seed=1)
    changes = {"keyword_samples": 3, "keyword_agreement": 0.6, "concurrency": 1}
    platform.settings = platform.settings.model_copy(update=changes)
    platform.settings.home.mkdir(parents=True)
    batch = platform.register("tagger", tmp_path / "shoot")
    with VllmDouble(faults_by_text={"Choose keywords": ANSWERS}) as double:
        registry = REGISTRY.format(url=double.url)
        (platform.settings.home / "registry.yaml").write_text(registry, encoding="utf-8")

        platform.run("tagger", batch, only=ASKED)
        (failed,) = platform.rows("tagger/keywords", batch)
        assert failed["error_class"] is not None
        assert failed["keywords"] is None

        again = platform.run("tagger", batch, only=ASKED)
        (row,) = platform.rows("tagger/keywords", batch)

    assert platform.asked(again) == {"tagger/keywords": 1}
    assert row["error_class"] is None
    # Which sample is answered first is not said, and with it the spelling that stands.
    confidence = dict(zip(map(str.lower, row["keywords"]), row["keyword_confidence"], strict=True))
    boats = confidence.pop("boat", None) or confidence.pop("boats")
    assert (boats, confidence) == (1.0, {"gull": 2 / 3, "fog": 2 / 3})
    assert row["samples"] == 3
