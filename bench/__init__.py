"""Speed, as ratios measured in one run. `python -m bench` prints a table and writes `bench/results.json`."""
