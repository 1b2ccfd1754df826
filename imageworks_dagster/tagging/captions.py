"""tagger/captions: one sentence a photo, with the photographer's own keywords and folders as context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.tagging import read_caption, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.questions import PhotoAsking, ask_each_photo, photo_variables

if TYPE_CHECKING:
    from imageworks_dagster.stages import Outcome, Stage
    from prompt_hub.schema import StageTemplate


def caption_photos(stage: Stage) -> Outcome:
    """One row a photo."""
    return ask_each_photo(stage, caption_asking)


def caption_asking(template: StageTemplate) -> PhotoAsking:
    """How captions are asked for."""
    return PhotoAsking(
        template=template,
        column="caption",
        before=(),
        variables=lambda photo, _: photo_variables(photo),
        measured=lambda photo, _: tagging_facts(
            "caption", signals=signal_values(photo), width=photo["width"], height=photo["height"]
        ),
        read=read_caption,
    )
