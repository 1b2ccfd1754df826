"""What changes prompts: files are saved, revisions kept, tests run, labels moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.console.pages import query
from gateway.console.prompts.asked import address_of, hub_of, sets_of
from gateway.console.prompts.pages import show_editor
from gateway.errors import NotFound
from prompt_hub.editing import save_file
from prompt_hub.errors import FileMoved, ProfileCycle, ProfileFileError
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.testing.results import keep_results
from prompt_hub.testing.static import run_static
from prompt_hub.testing.targets import Target

if TYPE_CHECKING:
    from starlette.responses import Response

    from gateway.console.visits import Visit


def save_draft(visit: Visit) -> Response:
    """Save the user's layer of a profile; whoever was second keeps what they typed, and sees what is there.

    Raises:
        AccessRefused: Their role is below author.
    """
    profile_id = visit.step("profile")
    visit.require("author", f"edit the prompt {profile_id}")
    text = visit.said("text")
    try:
        saved = save_file(visit.parts.home.prompts, profile_id, text, expected=visit.said("digest") or None)
    except (ProfileFileError, ProfileCycle, FileMoved) as error:
        return show_editor(visit, typed=text, error=error)
    visit.parts.hub.reload()
    visit.record("prompt.edit", profile_id, sha256=saved.digest)
    return visit.go(
        address_of(profile_id), f"Saved. {profile_id} now says this, and runs that name no revision use it."
    )


def run_tests(visit: Visit) -> Response:
    """Run a profile's tests without asking a model, and keep what comes of them.

    Raises:
        AccessRefused: Their role is below author.
    """
    profile_id = visit.step("profile")
    visit.require("author", f"test the prompt {profile_id}")
    target = _target(visit, profile_id, visit.said("reference") or profile_id)
    sets = sets_of(visit, profile_id)
    outcomes = run_static([target], {profile_id: sets})
    keep_results(visit.parts.database, outcomes, who=str(visit.identity))
    states = [test.state for outcome in outcomes for test in outcome.tests]
    visit.record(
        "prompt.test", target.reference, passed=states.count("passed"), failed=states.count("failed")
    )
    return visit.page("prompt_outcomes.html", outcomes=outcomes, reference=target.reference, states=states)


def save_revision(visit: Visit) -> Response:
    """Keep what the files say as a revision.

    Raises:
        AccessRefused: Their role is below author.
    """
    profile_id, store = visit.step("profile"), visit.parts.prompts
    visit.require("author", f"save a revision of {profile_id}")
    message = visit.said("message").strip() or "Saved in the console."
    visit.parts.hub.reload()
    revision, is_new = store.save(visit.identity, visit.parts.hub.current, profile_id, message=message)
    visit.record("prompt.revision", profile_id, profile_hash=revision.hash, new=is_new)
    kept = "is kept" if is_new else "was kept before"
    return visit.go(f"{address_of(profile_id)}#revisions", f"Revision {revision.hash[:12]} {kept}.")


def promote(visit: Visit) -> Response:
    """Let a label point at a revision that meets what it requires.

    Raises:
        AccessRefused: Their role does not move this label, or not past requirements.
        PromotionRefused: The revision does not meet them.
        LabelMoved: Somebody else moved it meanwhile.
    """
    profile_id, label = visit.step("profile"), visit.said("label").strip()
    store = visit.parts.prompts
    revision = store.revisions.get(profile_id, visit.said("revision"))
    move = store.labels.move(
        visit.identity,
        label,
        revision,
        why=visit.said("why").strip(),
        expected=visit.said(f"at-{label}") or None,
        override=visit.said("override") == "yes",
    )
    visit.record(
        "prompt.label",
        profile_id,
        label=label,
        from_hash=move.from_hash,
        to_hash=move.to_hash,
        overrode=move.overrode,
    )
    told = f"{label} of {profile_id} points at {revision.hash[:12]}."
    return visit.go(f"{address_of(profile_id)}{query(stale='yes')}#stale", told)


def roll_back(visit: Visit) -> Response:
    """Move a label back to what it pointed at before its last move.

    Raises:
        AccessRefused: Their role does not move this label.
        NothingToRollBack: It was never moved.
    """
    profile_id, label = visit.step("profile"), visit.said("label")
    move = visit.parts.prompts.labels.roll_back(
        visit.identity, profile_id, label, why=visit.said("why").strip()
    )
    visit.record("prompt.rollback", profile_id, label=label, from_hash=move.from_hash, to_hash=move.to_hash)
    told = f"{label} of {profile_id} points at {(move.to_hash or '')[:12]} again."
    return visit.go(f"{address_of(profile_id)}{query(stale='yes')}#stale", told)


def _target(visit: Visit, profile_id: str, reference: str) -> Target:
    named = Reference.parse(reference)
    if named.profile_id != profile_id:
        raise NotFound(f"{reference[:80]!r} is no revision of {profile_id}.")
    if not named.is_kept:
        return Target(reference, hub_of(visit)[0].get(profile_id))
    store = visit.parts.prompts
    return Target(reference, kept_revision(named, store.labels, store.revisions).profile)
