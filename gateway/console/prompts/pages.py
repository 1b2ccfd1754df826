"""The pages of prompts: the list, and the editor of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.console.faults import heading_of, status_of
from gateway.console.prompts.asked import all_sets, hub_of, sets_of
from gateway.console.prompts.diffs import difference
from gateway.console.prompts.live import galleries_of, live
from gateway.console.prompts.provenance import fields_of, layer_of
from gateway.console.prompts.stale import stale_batches
from gateway.console.prompts.standings import standing_of
from gateway.console.prompts.values import case_groups, entry_groups, photo_choices
from gateway.console.results.pictures import send_picture
from gateway.errors import NotFound
from photos.identity import photo_id
from prompt_hub.editing import read_file
from prompt_hub.errors import FileMoved

if TYPE_CHECKING:
    from starlette.responses import Response

    from gateway.console.visits import Visit

_BEGINNING: Final = "# Goes above what is shipped.\nid: {}\n"


def show_prompts(visit: Visit) -> Response:
    """All profiles, with their labels and how their tests stand."""
    hub, problems = hub_of(visit)
    sets = all_sets(visit)
    listed = [
        {
            "profile": profile,
            "labels": visit.parts.prompts.labels.of(profile_id),
            "sets": [
                standing_of(visit.parts.database, one, profile.hash)
                for one in sets
                if one.profile_id == profile_id
            ],
            "layers": sorted({layer_of(file) for file in hub.provenance[profile_id].values()}),
        }
        for profile_id, profile in hub.profiles.items()
    ]
    return visit.page("prompts.html", section="prompts", listed=listed, problems=problems)


def show_prompt(visit: Visit) -> Response:
    """One profile: its editor, its tests, its revisions and labels."""
    return show_editor(visit)


def check_draft(visit: Visit) -> Response:
    """What is right and wrong with a text that is being typed, and what a model would get of it."""
    profile_id = visit.step("profile")
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, visit.said("text"))
    return visit.page("prompt_live.html", draft=draft, **live(visit, profile_id, draft))


def show_difference(visit: Visit) -> Response:
    """What a text that is being typed says otherwise than a revision."""
    profile_id = visit.step("profile")
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, visit.said("text"))
    against = visit.said("against")
    revision = visit.parts.prompts.revisions.get(profile_id, against)
    lines = [] if draft.hub is None else difference(revision.profile, draft.hub.get(profile_id))
    return visit.page("prompt_difference.html", draft=draft, revision=revision, lines=lines)


def show_test_photo(visit: Visit) -> Response:
    """A photo of a test.

    Raises:
        NotFound: No test of the prompt has it.
        PhotoError: It cannot be decoded.
    """
    profile_id, name = visit.step("profile"), visit.asked("name")
    own = [one for one in sets_of(visit, profile_id) if one.name == visit.asked("set")]
    for one in own:
        if any(name in case.photos for case in one.written.tests):
            path = one.photo(name)
            return send_picture(visit.parts.home, visit.parts.settings, photo_id(path), path, large=True)
    raise NotFound(f"No test of {profile_id} shows a photo {name[:80]!r}.")


def show_editor(visit: Visit, *, typed: str | None = None, error: Exception | None = None) -> Response:
    """One profile's page.

    Args:
        visit: Whose.
        typed: What they have typed, where it was not saved.
        error: Why it was not.
    """
    profile_id = visit.step("profile")
    hub, problems = hub_of(visit)
    profile = hub.get(profile_id)
    file = read_file(visit.parts.home.prompts, profile_id)
    text = (file.text or _BEGINNING.format(profile_id)) if typed is None else typed
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, text)
    store, database = visit.parts.prompts, visit.parts.database
    revisions = store.revisions.history(profile_id)
    labels = store.labels.of(profile_id)
    sets = sets_of(visit, profile_id)
    galleries = galleries_of(visit, profile)
    status = 200 if error is None else status_of(error)
    return visit.page(
        "prompt.html",
        section="prompts",
        status=status,
        heading="" if error is None else heading_of(status),
        error=error,
        theirs=file.text if isinstance(error, FileMoved) else None,
        problems=problems,
        profile=profile,
        text=text,
        digest=file.digest or "",
        fields=fields_of(hub, profile),
        draft=draft,
        revisions=revisions,
        labels=labels,
        protected=store.access.protected(),
        moves=list(reversed(store.labels.history(profile_id))),
        standings=[standing_of(database, one, profile.hash) for one in sets],
        by_revision={
            one.hash: [standing_of(database, of_set, one.hash) for of_set in sets if not of_set.is_live]
            for one in revisions
        },
        groups=[*case_groups(sets), *entry_groups(galleries, profile)],
        photo_groups=photo_choices(galleries),
        stale=stale_batches(visit.parts.home, hub, store, profile_id),
        was_promoted=visit.asked("stale") == "yes",
        **live(visit, profile_id, draft, sets=sets),
    )
