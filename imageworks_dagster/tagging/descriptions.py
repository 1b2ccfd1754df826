"""tagger/descriptions: a short paragraph a photo, from its caption and keywords and the picture itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.tagging import description_variables, read_description, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.questions import PhotoAsking, ask_each_photo, photo_variables

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage
    from prompt_hub.schema import StageTemplate


def describe_photos(stage: Stage) -> Outcome:
    """One row a photo."""
    return ask_each_photo(stage, description_asking)


def description_asking(template: StageTemplate) -> PhotoAsking:
    """How descriptions are asked for."""
    return PhotoAsking(
        template=template,
        column="description",
        before=("tagger/captions", "tagger/keywords"),
        variables=lambda photo, mine: description_variables(
            photo_variables(photo),
            caption=mine["tagger/captions"]["caption"],
            keywords=mine["tagger/keywords"]["keywords"],
        ),
        measured=lambda photo, _: tagging_facts(
            "description", signals=signal_values(photo), width=photo["width"], height=photo["height"]
        ),
        read=read_description,
    )
