"""The assets of Personal-Tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from imageworks_dagster.assets.stage import stage_asset
from imageworks_dagster.pipelines import TAGGER

if TYPE_CHECKING:
    from imageworks_dagster.assembly import Assembly
    from imageworks_dagster.stages import Outcome, Stage

# Bodies load what they work with when they run: the definitions must load fast.
# ruff: noqa: PLC0415


def _photos(stage: Stage) -> Outcome:
    from imageworks_dagster.tagging.photos import list_photos

    return list_photos(stage)


def _captions(stage: Stage) -> Outcome:
    from imageworks_dagster.tagging.captions import caption_photos

    return caption_photos(stage)


def _keywords(stage: Stage) -> Outcome:
    from imageworks_dagster.tagging.keywords import keyword_photos

    return keyword_photos(stage)


def _descriptions(stage: Stage) -> Outcome:
    from imageworks_dagster.tagging.descriptions import describe_photos

    return describe_photos(stage)


def _metadata(stage: Stage) -> Outcome:
    from imageworks_dagster.tagging.metadata import handle_metadata

    return handle_metadata(stage)


BODIES = {
    "tagger/photos": (
        _photos,
        "Every photo of the folder, with the photographer's own words and measured signals.",
    ),
    "tagger/captions": (_captions, "One sentence a photo."),
    "tagger/keywords": (_keywords, "Keywords, normalized, beside the photographer's own."),
    "tagger/descriptions": (_descriptions, "A short paragraph a photo."),
    "tagger/metadata": (
        _metadata,
        "What would be written into each file; written only when asked for, on copies, with an undo.",
    ),
}

METADATA_OPTIONS = {
    "action": dg.Field(
        dg.Enum(
            "MetadataAction",
            [
                dg.EnumValue("propose", description="Only say what would be written."),
                dg.EnumValue("apply", description="Write it into the files; `undo` takes it back."),
                dg.EnumValue("undo", description="Take back what was written, byte for byte."),
            ],
        ),
        default_value="propose",
        description="propose, apply or undo.",
    ),
    "approved_only": dg.Field(
        bool,
        default_value=False,
        description="With apply: write only what a review has approved; the rest stays proposed.",
    ),
}


def tagger_assets(assembly: Assembly) -> list[dg.AssetsDefinition]:
    """All stages of Personal-Tagger."""
    return [
        stage_asset(
            TAGGER,
            stage,
            BODIES[stage.asset][0],
            assembly=assembly,
            description=BODIES[stage.asset][1],
            options=METADATA_OPTIONS if stage.asset == "tagger/metadata" else None,
        )
        for stage in TAGGER.stages
    ]
