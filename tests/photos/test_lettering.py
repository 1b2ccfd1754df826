"""The line that a row of letters stands on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import theilslopes

from photos.lettering import slope_of


@pytest.mark.parametrize("seed", range(5))
def test_a_slope_is_scipys(seed):
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 12, 15).astype(float)
    y = 0.3 * x + generator.normal(0, 1, 15)

    assert slope_of(x, y) == pytest.approx(theilslopes(y, x).slope)


def test_one_letter_far_below_turns_no_line():
    x = np.arange(9.0)

    assert slope_of(x, np.where(x == 4, 50.0, 0.5 * x)) == pytest.approx(0.5)


def test_looking_for_letters_loads_no_statistics():
    program = "import sys, photos.lettering; sys.exit('scipy.stats' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
