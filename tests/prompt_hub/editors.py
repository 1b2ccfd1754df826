"""A program that edits a profile's file many times, as one of several at once, anew whenever it was refused."""

from __future__ import annotations

import sys
from pathlib import Path

from prompt_hub.editing import read_file, save_file
from prompt_hub.errors import FileMoved


def main(folder, name, times):
    saved = 0
    while saved < times:
        before = read_file(folder, "birds")
        text = (
            before.text or "id: birds\nextends: library\ndescription: |\n  Written by:\n"
        ) + f"  {name}{saved}\n"
        try:
            save_file(folder, "birds", text, expected=before.digest)
        except FileMoved:
            continue
        saved += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
