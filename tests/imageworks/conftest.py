from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from imageworks.run_facts import RunFacts, StageFacts


@pytest.fixture
def signals():
    """A well-exposed, sharp color photo, as measured."""
    return {
        "luma_p1": 8.0,
        "luma_p50": 103.0,
        "luma_p99": 240.0,
        "luma_mean": 104.2,
        "clipped_shadows": 0.0001,
        "clipped_highlights": 0.0012,
        "contrast": 0.2281,
        "saturation": 0.42,
        "colorfulness": 56.9,
        "sharpness": 642.37,
        "noise": 2.13,
        "edge_density": 0.131,
        "blockiness": 1.02,
    }


def picture(width=48, height=32, color=(180, 90, 40)):
    content = io.BytesIO()
    Image.new("RGB", (width, height), color).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def jpeg():
    """A function that makes a small JPEG."""
    return picture


@pytest.fixture
def facts():
    return RunFacts(
        batch="spring-round",
        run_id="0a1b2c3d-44ce",
        finished_at="23 November 2026, 09:41",
        profile_hash="f" * 64,
        stages=(
            StageFacts(
                stage="judge/critiques",
                model="qwen2.5-vl-7b",
                model_revision="a" * 64,
                deployment="vllm-main",
                profile_id="club-judge",
                stage_hash="b" * 64,
                asked=3,
                recalled=2,
                failed=1,
            ),
        ),
        more=(("Took", "4.2 s"),),
    )


@pytest.fixture
def baseline_facts(facts):
    return replace(facts, stages=(replace(facts.stages[0], model="baseline-judge"),))
