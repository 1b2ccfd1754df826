"""The pages of results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from gateway.console.pages import query
from gateway.console.results.asked import address_of, card_of, open_gallery
from gateway.console.results.comparing import COMPARED, pairs, runs_of, values_of
from gateway.console.results.gallery import ENTRIES, ORDERS, STANDINGS, TABLES
from gateway.console.results.meetings import meetings
from gateway.console.results.pictures import send_evidence, send_picture
from gateway.errors import NotFound
from store.artifacts import TableStore
from store.batches import batches
from store.overrides import COLUMNS, Override, override, overrides_of, read_value
from store.path_text import path_text, text_path

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.responses import Response

    from gateway.console.results.gallery import Card, Gallery, Order, Standing
    from gateway.console.visits import Visit
    from store.batches import Batch

PAGE: Final = 48
_MOST_PAGES: Final = 100_000
_COVERS: Final = 4
_COMPARED_PAGE: Final = 60
_SIGNALS: Final = (
    ("sharpness", "sharpness", "{:.3g}"),
    ("noise", "noise", "{:.3g}"),
    ("contrast", "contrast", "{:.3g}"),
    ("colorfulness", "color", "{:.3g}"),
    ("clipped_shadows", "clipped shadows", "{:.2%}"),
    ("clipped_highlights", "clipped highlights", "{:.2%}"),
)
"""Signals by their column, what they are called, and how their values are written."""


def show_batches(visit: Visit) -> Response:
    """All batches, with a few of their photos."""
    made: dict[tuple[str, str], datetime] = {}
    entries: dict[tuple[str, str], int] = {}
    for pointer in TableStore(visit.parts.home, visit.parts.database).pointers():
        key = (pointer.asset.partition("/")[0], pointer.batch)
        made[key] = max(pointer.moved_at, made.get(key, pointer.moved_at))
        if pointer.asset in ENTRIES.values():
            entries[key] = pointer.rows
    return visit.page(
        "results.html",
        section="results",
        batches=batches(visit.parts.database),
        made=made,
        entries=entries,
    )


def show_covers(visit: Visit) -> Response:
    """A few photos of a batch, the best first: loaded apart, so that the list is there at once."""
    one, gallery = open_gallery(visit)
    words = overrides_of(visit.parts.database, one.pipeline, one.name)
    order: Order = "place" if one.pipeline == "judge" else "name"
    cards = (gallery.card(entry_id) for entry_id in gallery.chosen(order=order, words=words))
    shown = [card for card in cards if card.has_picture][:_COVERS]
    return visit.page("results_covers.html", batch=one, cards=shown)


def show_batch(visit: Visit) -> Response:
    """A batch's photos, the first of them at once."""
    one, gallery = open_gallery(visit)
    return visit.page(
        "gallery.html",
        section="results",
        batch=one,
        gallery=gallery,
        orders=ORDERS,
        standings=STANDINGS[one.pipeline],
        has_report=visit.parts.home.report(one.pipeline, one.name).is_file(),
        runs=runs_of(visit.parts.database, one),
        expected=TABLES[one.pipeline],
        **_cards(visit, one, gallery),
    )


def show_cards(visit: Visit) -> Response:
    """More photos of a batch, for who scrolls on; or the first ones of another choice."""
    one, gallery = open_gallery(visit)
    return visit.page("gallery_cards.html", batch=one, gallery=gallery, **_cards(visit, one, gallery))


def show_entry(visit: Visit) -> Response:
    """All that is said of one entry."""
    one, gallery = open_gallery(visit)
    return _entry_page(visit, one, gallery, visit.asked("entry"))


def make_override(visit: Visit) -> Response:
    """Keep a person's word beside the model's.

    Raises:
        AccessRefused: Their role is below author.
        BadOverride: The column cannot hold it, or there is no reason.
        NotFound: There is no such entry, or no photo of it.
    """
    one, gallery = open_gallery(visit)
    card = card_of(one, gallery, visit.said("entry"))
    column = visit.said("column")
    visit.require("author", f"override {column[:40]} in {one.name}")
    if card.photo_id is None:
        raise NotFound(
            f"{card.entry_id} has no photo that could be opened, so there is nothing to say of it."
        )
    value = read_value(one.pipeline, column, visit.said("value"))
    made = Override(
        card.entry_id,
        card.photo_id,
        column,
        value,
        visit.said("reason"),
        str(visit.identity),
        datetime.now(UTC),
    )
    override(visit.parts.database, pipeline=one.pipeline, batch=one.name, made=made)
    # Without the entry and the word: the log is kept for ever, and a photo may be forgotten.
    visit.record("results.override", one.name, pipeline=one.pipeline, column=column)
    told = (
        f"Your {column} stands beside the model's."
        if value is not None
        else f"The model's {column} holds again."
    )
    return visit.go(f"{address_of(one)}/entry{query(entry=card.entry_id)}", told)


def show_comparison(visit: Visit) -> Response:
    """Two runs, photo by photo."""
    one, gallery = open_gallery(visit)
    database = visit.parts.database
    runs = runs_of(database, one)
    ids = [run_id for run_id, _ in runs]
    after = visit.asked("after") or (ids[0] if ids else "")
    before = visit.asked("before") or (ids[1] if len(ids) > 1 else after)
    for run_id in (before, after):
        if run_id and run_id not in ids:
            raise NotFound(f"Run {run_id[:80]!r} has published nothing of {one.name} that can be compared.")
    store = TableStore(visit.parts.home, database)
    found = []
    if before and after:
        found = pairs(values_of(store, database, one, before), values_of(store, database, one, after))
    page = visit.number("page", 0, most=_MOST_PAGES)
    shown = found[page * _COMPARED_PAGE : (page + 1) * _COMPARED_PAGE]
    values: dict[str, Any] = {
        "batch": one,
        "before": before,
        "after": after,
        "pairs": shown,
        "titles": gallery.titles,
        "known": gallery.rows,
        "seen": {entry_id for entry_id in gallery.rows if gallery.card(entry_id).has_picture},
        "columns": [column for _, columns in COMPARED[one.pipeline] for column in columns],
        "page": page,
        "has_more": len(found) > (page + 1) * _COMPARED_PAGE,
    }
    if page:
        return visit.page("compare_pairs.html", **values)
    changed = sum(bool(pair.changed) for pair in found)
    return visit.page(
        "compare_batch.html", section="results", runs=runs, total=len(found), changed=changed, **values
    )


def show_picture(visit: Visit) -> Response:
    """A photo of an entry, by the entry's id.

    Raises:
        NotFound: No table of the batch has such an entry, or its photo is gone.
        PhotoError: It cannot be decoded.
    """
    one, gallery = open_gallery(visit)
    card = card_of(one, gallery, visit.asked("entry"))
    if card.photo_id is None:
        raise NotFound(f"{card.entry_id} has no photo that could be opened.")
    return send_picture(
        visit.parts.home,
        visit.parts.settings,
        card.photo_id,
        photo_path(one, card),
        large=visit.asked("size") == "large",
        known=visit.request.headers.get("if-none-match", ""),
    )


def show_evidence(visit: Visit) -> Response:
    """The picture on which a finding about an entry is drawn, by the entry's id and the picture's name.

    Raises:
        NotFound: No table of the batch has such an entry, no finding of it such a picture, or it is gone.
    """
    one, gallery = open_gallery(visit)
    card, name = card_of(one, gallery, visit.asked("entry")), visit.asked("name")
    found = (
        card.evidence(visit.parts.home, finding) for finding in card.findings if finding.evidence == name
    )
    path = next((path for path in found if path is not None), None)
    if path is None:
        raise NotFound(
            f"No picture {name[:12]!r} is kept for {card.entry_id}: judge the batch once more, and it is drawn."
        )
    return send_evidence(path, known=visit.request.headers.get("if-none-match", ""))


def photo_path(one: Batch, card: Card) -> Path:
    """Where an entry's photo lies, as its table says."""
    return one.folder / text_path(card.first["relative_path"])


def _cards(visit: Visit, one: Batch, gallery: Gallery) -> dict[str, Any]:
    words = overrides_of(visit.parts.database, one.pipeline, one.name)
    asked = visit.asked("order")
    order = cast("Order", asked) if asked in ORDERS else "place" if one.pipeline == "judge" else "name"
    search = visit.asked("search")
    show = visit.asked("show")
    standing = cast("Standing", show) if show in STANDINGS[one.pipeline] else None
    page = visit.number("page", 0, most=_MOST_PAGES)
    chosen = gallery.chosen(order=order, search=search, standing=standing, words=words)
    shown = chosen[page * PAGE : (page + 1) * PAGE]
    return {
        "cards": [gallery.card(entry_id, words) for entry_id in shown],
        "folder": path_text(one.folder),
        "order": order,
        "search": search,
        "show": standing or "",
        "shown_as": STANDINGS[one.pipeline][standing] if standing else "",
        "page": page,
        "total": len(chosen),
        "has_more": len(chosen) > (page + 1) * PAGE,
    }


def _entry_page(visit: Visit, one: Batch, gallery: Gallery, entry_id: str) -> Response:
    card = card_of(one, gallery, entry_id)
    words = overrides_of(visit.parts.database, one.pipeline, one.name)
    order: Order = "place" if one.pipeline == "judge" else "name"
    around = gallery.chosen(order=order, words=words)
    here = around.index(entry_id)
    signals = card.rows.get("signals") or card.rows.get("photos") or {}
    home = visit.parts.home
    return visit.page(
        "entry.html",
        section="results",
        batch=one,
        card=gallery.card(entry_id, words),
        words=list(reversed(words.get(entry_id, []))),
        columns=COLUMNS[one.pipeline],
        meetings=meetings(gallery.comparisons, entry_id),
        drawn={finding.evidence for finding in card.findings if card.evidence(home, finding) is not None},
        titles=gallery.titles,
        categories=gallery.categories,
        signals=[
            (name, form.format(signals[key])) for key, name, form in _SIGNALS if signals.get(key) is not None
        ],
        folder=path_text(one.folder),
        before=around[here - 1] if here else None,
        after=around[here + 1] if here + 1 < len(around) else None,
    )
