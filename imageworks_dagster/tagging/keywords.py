"""tagger/keywords: normalized keywords a photo, beside the photographer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.tagging import keywords_variables, most_keywords, read_keywords, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.questions import ask_each_photo, photo_variables

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage


def keyword_photos(stage: Stage) -> Outcome:
    """One row a photo; how many keywords at most, the profile says."""
    choice = stage.choice
    assert choice is not None  # noqa: S101 - the stage asks
    most = most_keywords(choice.profile.stage(choice.profile_stage).output)
    return ask_each_photo(
        stage,
        column="keywords",
        before=("tagger/captions",),
        variables=lambda photo, mine: keywords_variables(
            photo_variables(photo), caption=mine["tagger/captions"]["caption"], max_keywords=most
        ),
        measured=lambda photo, _: tagging_facts(
            "keywords",
            signals=signal_values(photo),
            width=photo["width"],
            height=photo["height"],
            max_keywords=most,
        ),
        read=lambda data: list(read_keywords(data, max_keywords=most)),
    )
