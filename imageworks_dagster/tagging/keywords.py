"""tagger/keywords: normalized keywords a photo, beside the photographer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.tagging import keywords_variables, read_keywords, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.questions import ask_each_photo

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage

MAX_KEYWORDS = 12


def keyword_photos(stage: Stage) -> Outcome:
    """One row a photo."""
    return ask_each_photo(
        stage,
        column="keywords",
        before=("tagger/captions",),
        variables=lambda photo, mine: keywords_variables(
            caption=mine["tagger/captions"]["caption"],
            existing_keywords=photo["existing_keywords"],
            max_keywords=MAX_KEYWORDS,
        ),
        measured=lambda photo, _: tagging_facts(
            "keywords",
            signals=signal_values(photo),
            width=photo["width"],
            height=photo["height"],
            max_keywords=MAX_KEYWORDS,
        ),
        read=lambda data: list(read_keywords(data, max_keywords=MAX_KEYWORDS)),
    )
