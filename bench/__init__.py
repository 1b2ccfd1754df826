"""Speed, as ratios measured in one run. `python -m bench` prints a table and writes `bench/results.json`."""

import sys
from pathlib import Path

# The doubles that tests have are importable here too, as `tests/conftest.py` has it.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "doubles"))
