"""tagger/keywords: normalized keywords a photo, beside the photographer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.tagging import keywords_variables, most_keywords, read_keywords, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.questions import PhotoAsking, ask_each_photo, photo_variables

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage
    from prompt_hub.schema import StageTemplate


def keyword_photos(stage: Stage) -> Outcome:
    """One row a photo."""
    return ask_each_photo(stage, keywords_asking)


def keywords_asking(template: StageTemplate) -> PhotoAsking:
    """How keywords are asked for; how many at most, the profile says."""
    most = most_keywords(template.output)
    return PhotoAsking(
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
