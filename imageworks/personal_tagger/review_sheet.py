"""A review as one HTML page: photos, what stands in them and what is proposed; decisions are saved as a CSV.

It works offline: its script is inside, is the only one that the page's policy lets run, and sends nothing anywhere.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from imageworks.page import data_uri, render_page
from imageworks.personal_tagger.review import DECISIONS, FIELDS, PHOTO_MARK, WORDS_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageworks.personal_tagger.review import ReviewPhoto


def render_review(photos: Sequence[ReviewPhoto], *, batch: str, import_command: str) -> str:
    """The page, UTF-8 text. It needs no network and no other file.

    Args:
        photos: In the order in which they are shown.
        batch: Their batch.
        import_command: What takes the saved file back, for the reader to paste.

    Raises:
        ThumbnailRefused: A picture is no JPEG, PNG or WebP.
    """
    values = {
        "batch": batch,
        "import_command": import_command,
        "fields": FIELDS,
        "decisions": DECISIONS,
        "photo_mark": PHOTO_MARK,
        "words_mark": WORDS_MARK,
        "photos": [
            (photo, data_uri(photo.thumbnail) if photo.thumbnail is not None else None) for photo in photos
        ],
    }
    return render_page("personal_tagger/review.html", values, script=_script())


@cache
def _script() -> str:
    place = files("imageworks.personal_tagger").joinpath("templates/review.js")
    return place.read_text(encoding="utf-8").replace("\r\n", "\n")
