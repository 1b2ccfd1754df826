"""A home's mark, by which processes on several hosts see whether they have the same home.

Tables and the state may be shared by hosts whose homes are not. But the steps of a run tell each other through the
home what the run asks with, whose the batch is, and what came of its parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from store.locking import locked

if TYPE_CHECKING:
    from store.home import Home


def mark_of(home: Home) -> str:
    """The mark of a home that is there; made when it is first asked for, and never changed."""
    path = home.locks / "home.mark"
    with locked(path):
        mark = path.read_text(encoding="ascii")
        if not mark:
            mark = uuid4().hex
            path.write_text(mark, encoding="ascii")
    return mark
