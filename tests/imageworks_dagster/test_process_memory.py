"""What a stage's process does with memory, seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys

PICTURES = """
import gc, resource, threading
import numpy as np
from imageworks_dagster.process_memory import settle

settle()
settle()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def picture():
    pixels = np.ones(6_000_000, np.uint8)
    small = [bytearray(10_000) for _ in range(20)]
    del pixels
    return small

for _ in range(3):
    picture()
before = faults()
for _ in range(20):
    picture()
print(faults() - before, gc.get_freeze_count())
"""


def test_memory_of_pictures_is_used_again_and_what_is_loaded_is_not_looked_through_again():
    done = subprocess.run([sys.executable, "-c", PICTURES], check=True, capture_output=True, text=True)
    faults, frozen = map(int, done.stdout.split())
    # Twenty pictures of 1,465 pages each.
    assert faults < 2_000
    assert frozen > 10_000


def test_nothing_is_said_when_the_process_ends_though_duckdb_is_loaded():
    program = (
        "import duckdb; from imageworks_dagster.process_memory import settle; duckdb.connect(); settle()"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
