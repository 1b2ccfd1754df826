from __future__ import annotations

import pytest


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
