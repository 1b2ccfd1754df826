"""The pages of prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.console.faults import heading_of, status_of
from gateway.console.pages import query
from gateway.console.prompts.diffs import difference
from gateway.console.prompts.stale import stale_batches
from gateway.console.prompts.values import (
    PIPELINE_OF,
    Values,
    case_groups,
    case_values,
    entry_groups,
    entry_values,
    photo_choices,
)
from gateway.console.results.pictures import send_picture
from gateway.errors import NotFound
from photos.identity import photo_id
from prompt_hub.editing import read_file, save_file
from prompt_hub.errors import FileMoved, ProfileCycle, ProfileFileError, PromptHubError
from prompt_hub.layers import SHIPPED
from prompt_hub.rendering import render
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.testing.case_files import CaseSet, load_case_sets
from prompt_hub.testing.results import keep_results, latest_states, results_of
from prompt_hub.testing.static import run_static
from prompt_hub.testing.targets import Target
from store.batches import Batch, batch, batches
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from gateway.console.prompts.drafts import Draft
    from gateway.console.results.gallery import Gallery
    from gateway.console.visits import Visit
    from prompt_hub.hub import PromptHub
    from prompt_hub.rendering import Rendered
    from prompt_hub.schema import PromptProfile
    from store.database import StateDatabase

_MOST_BATCHES: Final = 6
_LONGEST_SHOWN: Final = 240
_BEGINNING: Final = "# Goes above what is shipped.\nid: {}\n"


@dataclass(frozen=True, slots=True)
class SetStanding:
    """How a profile stands with a set of its tests.

    Attributes:
        name: The set.
        is_live: Whether a model is asked.
        required_for: The labels that require it.
        tests: How many tests it has.
        passed: How many of them have passed with exactly this profile; of a live set, with any model.
        failed: How many have failed.
    """

    name: str
    is_live: bool
    required_for: tuple[str, ...]
    tests: int
    passed: int
    failed: int

    @property
    def state(self) -> str:
        """`failed`, `passed`, or `open` where not all were run."""
        return "failed" if self.failed else "passed" if self.passed == self.tests else "open"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an effective profile, and the file that says it."""

    name: str
    text: str
    layer: str
    file: str


def show_prompts(visit: Visit) -> Response:
    """All profiles, with their labels and how their tests stand."""
    hub, problems = _hub(visit)
    sets = _sets(visit)
    listed = [
        {
            "profile": profile,
            "labels": visit.parts.prompts.labels.of(profile_id),
            "sets": [
                _standing(visit.parts.database, one, profile.hash)
                for one in sets
                if one.profile_id == profile_id
            ],
            "layers": sorted({_layer(file) for file in hub.provenance[profile_id].values()}),
        }
        for profile_id, profile in hub.profiles.items()
    ]
    return visit.page("prompts.html", section="prompts", listed=listed, problems=problems)


def show_prompt(visit: Visit) -> Response:
    """One profile: its editor, its tests, its revisions and labels."""
    return _editor(visit)


def check_draft(visit: Visit) -> Response:
    """What is right and wrong with a text that is being typed, and what a model would get of it."""
    profile_id = visit.step("profile")
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, visit.said("text"))
    return visit.page("prompt_live.html", draft=draft, **_live(visit, profile_id, draft))


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
        return _editor(visit, typed=text, error=error)
    visit.parts.hub.reload()
    visit.record("prompt.edit", profile_id, sha256=saved.digest)
    return visit.go(
        _address(profile_id), f"Saved. {profile_id} now says this, and runs that name no revision use it."
    )


def show_difference(visit: Visit) -> Response:
    """What a text that is being typed says otherwise than a revision."""
    profile_id = visit.step("profile")
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, visit.said("text"))
    against = visit.said("against")
    revision = visit.parts.prompts.revisions.get(profile_id, against)
    lines = [] if draft.hub is None else difference(revision.profile, draft.hub.get(profile_id))
    return visit.page("prompt_difference.html", draft=draft, revision=revision, lines=lines)


def run_tests(visit: Visit) -> Response:
    """Run a profile's tests without asking a model, and keep what comes of them.

    Raises:
        AccessRefused: Their role is below author.
    """
    profile_id = visit.step("profile")
    visit.require("author", f"test the prompt {profile_id}")
    target = _target(visit, profile_id, visit.said("reference") or profile_id)
    sets = [one for one in _sets(visit) if one.profile_id == profile_id]
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
    profile_id = visit.step("profile")
    visit.require("author", f"save a revision of {profile_id}")
    visit.parts.hub.reload()
    hub = visit.parts.hub.current
    profile = hub.get(profile_id)
    is_new = _keep(visit, hub, profile_id, visit.said("message").strip() or "Saved in the console.")
    visit.record("prompt.revision", profile_id, profile_hash=profile.hash, new=is_new)
    kept = "is kept" if is_new else "was kept before"
    return visit.go(f"{_address(profile_id)}#revisions", f"Revision {profile.hash[:12]} {kept}.")


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
        expected=store.labels.of(profile_id).get(label)
        if not visit.said("expected")
        else visit.said("expected"),
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
    return visit.go(f"{_address(profile_id)}{query(stale='yes')}#stale", told)


def roll_back(visit: Visit) -> Response:
    """Move a label back to what it pointed at before its last move.

    Raises:
        AccessRefused: Their role does not move this label.
        NothingToRollBack: It was never moved.
    """
    profile_id, label = visit.step("profile"), visit.said("label")
    move = visit.parts.prompts.labels.roll_back(
        visit.identity, profile_id, label, why=visit.said("why").strip() or "Rolled back in the console."
    )
    visit.record("prompt.rollback", profile_id, label=label, from_hash=move.from_hash, to_hash=move.to_hash)
    told = f"{label} of {profile_id} points at {(move.to_hash or '')[:12]} again."
    return visit.go(f"{_address(profile_id)}{query(stale='yes')}#stale", told)


def show_test_photo(visit: Visit) -> Response:
    """A photo of a test.

    Raises:
        NotFound: No test of the prompt has it.
        PhotoError: It cannot be decoded.
    """
    profile_id, name = visit.step("profile"), visit.asked("name")
    own = [one for one in _sets(visit) if one.profile_id == profile_id and one.name == visit.asked("set")]
    for one in own:
        if any(name in case.photos for case in one.written.tests):
            path = one.photo(name)
            return send_picture(visit.parts.home, visit.parts.settings, photo_id(path), path, large=True)
    raise NotFound(f"No test of {profile_id} shows a photo {name[:80]!r}.")


def _editor(visit: Visit, *, typed: str | None = None, error: Exception | None = None) -> Response:
    profile_id = visit.step("profile")
    hub, problems = _hub(visit)
    profile = hub.get(profile_id)
    file = read_file(visit.parts.home.prompts, profile_id)
    text = (file.text or _BEGINNING.format(profile_id)) if typed is None else typed
    draft = visit.desk.drafts.check(visit.parts.home.prompts, profile_id, text)
    store, database = visit.parts.prompts, visit.parts.database
    revisions = store.revisions.history(profile_id)
    labels = store.labels.of(profile_id)
    sets = [one for one in _sets(visit) if one.profile_id == profile_id]
    galleries = _galleries(visit, profile)
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
        fields=_fields(hub, profile),
        draft=draft,
        revisions=revisions,
        labels=labels,
        protected=store.access.protected(),
        moves=list(reversed(store.labels.history(profile_id))),
        standings=[_standing(database, one, profile.hash) for one in sets],
        by_revision={
            one.hash: [_standing(database, of_set, one.hash) for of_set in sets if not of_set.is_live]
            for one in revisions
        },
        groups=[*case_groups(sets), *entry_groups(galleries, profile)],
        photo_groups=photo_choices(galleries),
        stale=stale_batches(visit.parts.home, hub, store, profile_id),
        was_promoted=visit.asked("stale") == "yes",
        **_live(visit, profile_id, draft, sets=sets),
    )


def _live(
    visit: Visit, profile_id: str, draft: Draft, *, sets: Sequence[CaseSet] | None = None
) -> dict[str, Any]:
    """The prompt as a model would get it, or why there is none; and the photos that go with it."""
    values: Values | None = None
    rendered: Rendered | None = None
    why = ""
    if draft.hub is not None:
        profile = draft.hub.get(profile_id)
        own = [one for one in _sets(visit) if one.profile_id == profile_id] if sets is None else sets
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
        sets, key, lambda one, name: f"{_address(profile.id)}/photo{query(set=one.name, name=name)}"
    )


def _photo(visit: Visit) -> tuple[str, ...]:
    """The photo of one's choice; nothing where none was chosen."""
    name, _, entry_id = visit.said("photo").partition(":")
    if not entry_id:
        return ()
    found = [one for one in batches(visit.parts.database) if one.name == name]
    if not found:
        raise NotFound(f"There is no batch {name[:80]!r}.")
    return (_entry_picture(found[0], entry_id),)


def _entry_picture(one: Batch, entry_id: str) -> str:
    return f"/console/results/{one.pipeline}/{one.name}/picture{query(entry=entry_id, size='large')}"


def _known(visit: Visit, profile: PromptProfile, name: str) -> tuple[Batch, Gallery]:
    pipeline = PIPELINE_OF.get(profile.application)
    if pipeline is None:
        raise NotFound(f"{profile.id} is there to be extended; no batch is asked with it.")
    one = batch(visit.parts.database, pipeline, name)
    return one, visit.desk.galleries.open(visit.parts.home, visit.parts.database, one)


def _galleries(visit: Visit, profile: PromptProfile) -> list[tuple[Batch, Gallery]]:
    pipeline = PIPELINE_OF.get(profile.application)
    if pipeline is None:
        return []
    newest = sorted(batches(visit.parts.database, pipeline), key=lambda one: one.registered_at, reverse=True)[
        :_MOST_BATCHES
    ]
    return [(one, visit.desk.galleries.open(visit.parts.home, visit.parts.database, one)) for one in newest]


def _hub(visit: Visit) -> tuple[PromptHub, Sequence[object]]:
    """What the files say; where they are broken, what they said last, and what is wrong."""
    now = visit.desk.drafts.now(visit.parts.home.prompts)
    return (now.hub or visit.parts.hub.current), now.problems


def _sets(visit: Visit) -> list[CaseSet]:
    return load_case_sets(visit.parts.home.prompts)


def _target(visit: Visit, profile_id: str, reference: str) -> Target:
    named = Reference.parse(reference)
    if named.profile_id != profile_id:
        raise NotFound(f"{reference[:80]!r} is no revision of {profile_id}.")
    if not named.is_kept:
        return Target(reference, _hub(visit)[0].get(profile_id))
    store = visit.parts.prompts
    return Target(reference, kept_revision(named, store.labels, store.revisions).profile)


def _keep(visit: Visit, hub: PromptHub, profile_id: str, message: str) -> bool:
    return visit.parts.prompts.revisions.keep(
        hub.get(profile_id), author=str(visit.identity), message=message, layers=hub.provenance[profile_id]
    )


def _standing(database: StateDatabase, one: CaseSet, profile_hash: str) -> SetStanding:
    wanted = {case.description for case in one.written.tests}
    states = _states_of(database, one, profile_hash)
    counted = [state for test, state in states.items() if test in wanted]
    return SetStanding(
        one.name,
        one.is_live,
        tuple(one.written.required_for),
        len(wanted),
        counted.count("passed"),
        counted.count("failed"),
    )


def _states_of(database: StateDatabase, one: CaseSet, profile_hash: str) -> Mapping[str, Any]:
    if not one.is_live:
        return latest_states(database, profile_hash, one.hash)
    states: dict[str, Any] = {}
    for result in results_of(database, profile_hash, one.hash):
        states.update({test: state for test, state in result.states.items() if state != "incomplete"})
    return states


def _fields(hub: PromptHub, profile: PromptProfile) -> list[Field]:
    fields = []
    for name, file in sorted(hub.provenance[profile.id].items()):
        value = _value_of(profile, name)
        text = value if isinstance(value, str) else "" if value is None else str(value)
        fields.append(Field(name, text[:_LONGEST_SHOWN], _layer(file), _short_file(file)))
    return fields


def _value_of(profile: PromptProfile, name: str) -> Any:
    value: Any = profile.model_dump(mode="json", by_alias=True)
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _layer(file: str) -> str:
    return "shipped" if file.startswith(path_text(SHIPPED)) else "yours"


def _short_file(file: str) -> str:
    shipped = path_text(SHIPPED)
    return file.removeprefix(f"{shipped}/") if file.startswith(shipped) else file.rpartition("/")[2]


def _address(profile_id: str) -> str:
    return f"/console/prompts/{profile_id}"
