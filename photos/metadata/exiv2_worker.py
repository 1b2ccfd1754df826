"""The metadata process: reads and edits files for its parent, one JSON line in, one JSON line out.

pyexiv2 is C++ fed with files from anywhere, so it has a process of its own that may be killed: by a damaged
file, by the alarm that bounds each request, or by the end of its parent, which it notices as the end of its
input.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from photos.metadata.editing import edit
from photos.metadata.embedded import Blocks, metadata_of, opened
from photos.metadata.errors import MetadataError
from photos.metadata.fields import MetadataFields

SECONDS_PER_REQUEST = 120
"""An 8 MB JPEG takes 20 ms; the largest TIFF that is accepted, some seconds on a slow disk."""

ADDRESS_SPACE = 4 << 30
"""Bytes. exiv2 holds a rewritten file in memory once or twice; a header that promises more memory than
this lies.
"""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do what one request asks.

    Raises:
        MetadataError: the file cannot be read or edited.
    """
    path = Path(request["path"])
    if request["op"] == "read":
        with opened(path) as image:
            return {"said": metadata_of(Blocks.of(image)).as_dict()}
    done = edit(
        path,
        MetadataFields.from_dict(request["fields"]),
        exif_description=request["exif_description"],
        in_memory=request["in_memory"],
    )
    return {
        "changed": done.changed,
        "before": done.before.as_dict(),
        "after": done.after.as_dict(),
        "lost": done.lost,
        "unsaid": done.unsaid,
    }


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    # Whatever a library prints must not get into the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin.buffer:
            signal.alarm(SECONDS_PER_REQUEST)
            try:
                reply = answer(json.loads(line))
            except MetadataError as problem:
                reply = {"error": problem.error_class, "message": str(problem)}
            except (RuntimeError, OSError, UnicodeError, ValueError, MemoryError) as problem:
                reply = {"error": "metadata_tool_failed", "message": f"{type(problem).__name__}: {problem}"}
            signal.alarm(0)
            answers.write(json.dumps(reply) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
