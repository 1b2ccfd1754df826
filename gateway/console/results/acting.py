"""What is done with a whole batch: judge or tag it, have its tags written into the files, announce its results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from gateway.console.results.asked import address_of, open_batch, open_gallery
from gateway.console.results.gallery import TABLES
from gateway.dagster import launch
from gateway.errors import Conflict, NotFound
from store.batches import publish
from store.overrides import overrides_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from gateway.console.results.gallery import Gallery
    from gateway.console.visits import Visit
    from store.batches import Batch, Pipeline

_PAGE: Final = 60
_MOST_PAGES: Final = 100_000
_METADATA: Final = "tagger/metadata"
_VERBS: Final[Mapping[Pipeline, str]] = {"judge": "judge", "tagger": "tag"}
_ACTIONS: Final = {
    "apply": ("write", [_METADATA]),
    # The photos anew: one that was moved is found where it is now.
    "undo": ("take back", ["tagger/photos", _METADATA]),
}
"""What may be done with metadata: in words, and the assets that are materialized for it."""

STATES: Final = {
    "proposed": "would be written",
    "written": "written",
    "unchanged": "in the file already",
    "undone": "taken back",
    "untouched": "untouched",
    "refused": "cannot be written",
}
"""How a photo's metadata stands, in words, by the state that its table has."""


def materialize(visit: Visit) -> Response:
    """Have Dagster make a batch's tables anew.

    Raises:
        AccessRefused: Their role is below publisher.
        GatewayError: Dagster does not answer, or does not begin the run.
    """
    one = open_batch(visit)
    visit.require("publisher", f"{_VERBS[one.pipeline]} {one.name}")
    run_id = _launch(visit, one)
    visit.record("batch.materialize", one.name, pipeline=one.pipeline, run_id=run_id)
    return visit.go(address_of(one), _begun(run_id, one))


def show_metadata(visit: Visit) -> Response:
    """What would be written into each file, to be approved.

    Raises:
        NotFound: Nothing was proposed yet.
    """
    one, gallery = _proposed(visit)
    words = overrides_of(visit.parts.database, one.pipeline, one.name)
    shown = gallery.chosen(order="name", words=words)
    page = visit.number("page", 0, most=_MOST_PAGES)
    values: dict[str, Any] = {
        "batch": one,
        "cards": [gallery.card(entry_id, words) for entry_id in shown[page * _PAGE : (page + 1) * _PAGE]],
        "states": STATES,
        "page": page,
        "has_more": len(shown) > (page + 1) * _PAGE,
    }
    if page:
        return visit.page("metadata_rows.html", **values)
    return visit.page("metadata.html", section="results", counts=_counts(gallery), **values)


def act_on_metadata(visit: Visit) -> Response:
    """Have Dagster write what is proposed into the files, or take back what was written.

    Raises:
        NotFound: Nothing was proposed yet, or it is none of the two.
        AccessRefused: Their role is below publisher.
        GatewayError: Dagster does not answer, or does not begin the run.
    """
    one, _ = _proposed(visit)
    action = visit.said("action")
    if action not in _ACTIONS:
        raise NotFound(f"Metadata is applied or undone; {action[:40]!r} is neither.")
    words, assets = _ACTIONS[action]
    visit.require("publisher", f"{words} the metadata of {one.name}")
    run_id = _launch(visit, one, assets=assets, configured={_METADATA: {"action": action}})
    visit.record(f"metadata.{action}", one.name, pipeline=one.pipeline, run_id=run_id)
    return visit.go(f"{address_of(one)}/metadata", _begun(run_id, one))


def ask_publish(visit: Visit) -> Response:
    """Ask whether a batch's results are to be announced, with what that means."""
    return visit.page("publish.html", section="results", batch=open_batch(visit))


def publish_results(visit: Visit) -> Response:
    """Announce a batch's results; from then on it never runs by itself.

    Raises:
        AccessRefused: Their role is below publisher.
        Conflict: It has come to no result.
    """
    one, gallery = open_gallery(visit)
    visit.require("publisher", f"publish {one.name}")
    if TABLES[one.pipeline][-1] not in gallery.runs:
        raise Conflict(
            f"{one.name} has no result yet, so it was not published. {_VERBS[one.pipeline].capitalize()} it first."
        )
    published = publish(visit.parts.database, one.pipeline, one.name, by=str(visit.identity))
    visit.record("batch.publish", one.name, pipeline=one.pipeline)
    return visit.go(
        address_of(one),
        f"{published.name} is published; schedules and the inbox leave it alone from now on.",
    )


def _launch(
    visit: Visit,
    one: Batch,
    *,
    assets: Sequence[str] = (),
    configured: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    return launch(
        visit.parts.settings.dagster_url,
        pipeline=one.pipeline,
        batch=one.name,
        by=str(visit.identity),
        assets=assets,
        configured=configured,
    )


def _begun(run_id: str, one: Batch) -> str:
    return f"Dagster has begun run {run_id[:8]} of {one.name}."


def _proposed(visit: Visit) -> tuple[Batch, Gallery]:
    one, gallery = open_gallery(visit)
    if _METADATA not in gallery.runs:
        raise NotFound(f"Nothing is proposed for the files of {one.name}. Tag it first.")
    return one, gallery


def _counts(gallery: Gallery) -> dict[str, int]:
    """Photos by how their metadata stands, in the order of `STATES`."""
    found = Counter(rows.get("metadata", {}).get("state") for rows in gallery.rows.values())
    return {state: found[state] for state in STATES if found[state]}
