"""A prompt as a model would get it, filled with the values and beside the photo of one's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from gateway.console.pages import query
from gateway.console.prompts.asked import address_of, sets_of
from gateway.console.prompts.values import PIPELINE_OF, Values, case_values, entry_values
from gateway.errors import NotFound
from prompt_hub.errors import PromptHubError
from prompt_hub.rendering import render
from store.batches import Batch, Pipeline, batch, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.console.prompts.drafts import Draft
    from gateway.console.results.gallery import Gallery
    from gateway.console.visits import Visit
    from prompt_hub.rendering import Rendered
    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.case_files import CaseSet

_MOST_BATCHES: Final = 6


def live(
    visit: Visit, profile_id: str, draft: Draft, *, sets: Sequence[CaseSet] | None = None
) -> dict[str, Any]:
    """For a page: the prompt as a model would get it, or why there is none; and the photos that go with it."""
    values: Values | None = None
    rendered: Rendered | None = None
    why = ""
    if draft.hub is not None:
        profile = draft.hub.get(profile_id)
        own = sets_of(visit, profile_id) if sets is None else sets
        try:
            values = _values(visit, profile, own)
            if values is not None:
                rendered = render(profile, values.stage, values.variables)
        except (PromptHubError, NotFound) as error:
            why = str(error)
    pictures = () if values is None else values.pictures
    return {
        "values": values,
        "rendered": rendered,
        "why": why,
        "pictures": _photo(visit) or pictures,
    }


def galleries_of(visit: Visit, profile: PromptProfile) -> list[tuple[Batch, Gallery]]:
    """The newest batches that a profile may be asked about, with their tables."""
    pipeline = PIPELINE_OF.get(profile.application)
    if pipeline is None:
        return []
    newest = sorted(batches(visit.parts.database, pipeline), key=lambda one: one.registered_at, reverse=True)[
        :_MOST_BATCHES
    ]
    return [(one, visit.desk.galleries.open(visit.parts.home, visit.parts.database, one)) for one in newest]


def _values(visit: Visit, profile: PromptProfile, sets: Sequence[CaseSet]) -> Values | None:
    kind, _, key = visit.said("values").partition(":")
    if kind == "entry":
        name, stage, entry_id = (*key.split(":", 2), "", "")[:3]
        one, gallery = _known(visit, profile, name)
        if entry_id not in gallery.rows:
            raise NotFound(f"No table of {one.name} has an entry {entry_id[:200]!r}.")
        card = gallery.card(entry_id)
        if stage not in profile.stages:
            raise NotFound(f"{profile.id} has no stage {stage[:80]!r}.")
        pictures = (_entry_picture(one, entry_id),)
        return Values(stage, entry_values(one, card, stage, profile), pictures)
    if not kind:
        key = next((f"{one.name}:0" for one in sets), "")
        if not key:
            return None
    return case_values(
        sets, key, lambda one, name: f"{address_of(profile.id)}/photo{query(set=one.name, name=name)}"
    )


def _photo(visit: Visit) -> tuple[str, ...]:
    """The photo of one's choice; nothing where none was chosen."""
    pipeline, name, entry_id = (*visit.said("photo").split(":", 2), "", "")[:3]
    if not entry_id:
        return ()
    return (_entry_picture(batch(visit.parts.database, cast("Pipeline", pipeline), name), entry_id),)


def _entry_picture(one: Batch, entry_id: str) -> str:
    return f"/console/results/{one.pipeline}/{one.name}/picture{query(entry=entry_id, size='large')}"


def _known(visit: Visit, profile: PromptProfile, name: str) -> tuple[Batch, Gallery]:
    pipeline = PIPELINE_OF.get(profile.application)
    if pipeline is None:
        raise NotFound(f"{profile.id} is there to be extended; no batch is asked with it.")
    one = batch(visit.parts.database, pipeline, name)
    return one, visit.desk.galleries.open(visit.parts.home, visit.parts.database, one)
