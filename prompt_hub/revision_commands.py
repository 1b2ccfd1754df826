"""Commands about what is kept of prompts: `save history label rollback unlabel roles protect refusals`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from prompt_hub.errors import BadReference, FileProblem
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity, system_user
from prompt_hub.revisions.labels import Move
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.revisions import Revision
from prompt_hub.revisions.store import PromptStore
from prompt_hub.schema import PromptProfile
from prompt_hub.showing import show
from prompt_hub.testing.case_files import load_case_sets
from prompt_hub.testing.requirements import present_in, required_sets
from registry.nearest import did_you_mean
from registry.registry import Registry
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home folder; IMAGEWORKS_HOME or .imageworks if not given.")
]
ProfileArgument = Annotated[str, typer.Argument(help="Id of a profile.")]
ReferenceArgument = Annotated[
    str,
    typer.Argument(
        help="club-judge for what the files say, club-judge@label, or club-judge@hash with 6 digits or more."
    ),
]
AsOption = Annotated[
    str | None, typer.Option("--as", help="Act in another's name, with that one's role. For admins.")
]
WhyWhereProtectedOption = Annotated[
    str, typer.Option("--why", help="Why; it stays in the history. A protected label wants it.")
]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into a command line."""
    for command in (save, history, label, rollback, unlabel, roles, protect, refusals):
        app.command()(command)


def save(
    profile_id: ProfileArgument,
    *,
    message: Annotated[str, typer.Option("--message", "-m", help="What is different about it.")],
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Keep a profile, as its files say it now, as a revision."""
    with opened(home) as (store, settings):
        who = _who(store, as_name)
        revision, is_new = _saved(store, settings, who, profile_id, message)
    if is_new:
        typer.echo(f"{profile_id}@{short(revision.hash)} is kept.")
    else:
        typer.echo(
            f"{profile_id}@{short(revision.hash)} was kept before, by {revision.author}: {revision.message}\n"
            f"A revision never changes, and this message is not kept. Say it where a label moves, with --why."
        )


def history(profile_id: ProfileArgument, *, home: HomeOption = None) -> None:
    """A profile's revisions, the newest first, and how its labels were moved, the last move first."""
    with opened(home) as (store, _):
        revisions = store.revisions.history(profile_id)
        moves = store.labels.history(profile_id)
        labels = store.labels.of(profile_id)
    if not revisions:
        typer.echo(
            f"No revision of {profile_id} is kept yet. Runs keep what they use, and `save` keeps it now."
        )
        return
    at = {one.hash: [name for name, pointed in labels.items() if pointed == one.hash] for one in revisions}
    show(
        ["revision", "saved", "author", "labels", "made from", "message"],
        (
            [
                short(one.hash),
                _time(one.saved_at),
                one.author,
                " ".join(at[one.hash]),
                " ".join(map(short, one.parents)),
                one.message,
            ]
            for one in revisions
        ),
    )
    if moves:
        show(["moved", "label", "from", "to", "who", "why"], (_cells(move) for move in reversed(moves)))


def label(
    name: Annotated[str, typer.Argument(help="Label, such as production.")],
    reference: ReferenceArgument,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only look whether it could move, and what is missing; exit code 1 if not."
        ),
    ] = False,
    why: WhyWhereProtectedOption = "",
    expect: Annotated[
        str | None, typer.Option(help="Hash that it points at now; refused if it does not.")
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Pass over tests that did not pass. For admins, with a reason.")
    ] = False,
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Let a label point at a revision that passed the tests it requires. What the files say is kept as one with it."""
    with opened(home) as (store, settings):
        who = _who(store, as_name)
        named = Reference.parse(reference)
        _refuse_swapped(settings, "label", name, reference)
        _tell_new_label(store, named.profile_id, name)
        hub = None if named.is_kept else _files(settings, named.profile_id)
        if check:
            profile = (
                kept_revision(named, store.labels, store.revisions).profile
                if hub is None
                else hub.get(named.profile_id)
            )
            _tell_check(store, who, name, profile, named=reference)
            return
        expected = None if expect is None else store.revisions.get(named.profile_id, expect).hash
        if hub is None:
            revision = kept_revision(named, store.labels, store.revisions)
            move = store.labels.move(who, name, revision, why=why, expected=expected, override=override)
        else:
            move = store.label_files(
                who, hub, named.profile_id, name, why=why, expected=expected, override=override
            )
    _tell(move)


def rollback(
    name: Annotated[str, typer.Argument(help="Label, such as production.")],
    profile_id: ProfileArgument,
    *,
    why: WhyWhereProtectedOption = "",
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Move a label back to the revision before; again, and it goes further back."""
    with opened(home) as (store, settings):
        _refuse_swapped(settings, "rollback", name, profile_id)
        _tell(store.labels.roll_back(_who(store, as_name), profile_id, name, why=why))


def unlabel(
    name: Annotated[str, typer.Argument(help="Label, such as staging.")],
    profile_id: ProfileArgument,
    *,
    why: WhyWhereProtectedOption = "",
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Take a label away. Its history stays."""
    with opened(home) as (store, settings):
        _refuse_swapped(settings, "unlabel", name, profile_id)
        _tell(store.labels.remove(_who(store, as_name), profile_id, name, why=why))


def roles(
    name: Annotated[str | None, typer.Argument(help="Whom to give a role; nobody: show all.")] = None,
    role: Annotated[
        str | None, typer.Argument(help="viewer, author, publisher or admin; none takes it away.")
    ] = None,
    *,
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Who may do what. As long as nobody has a role, everybody is an admin; then the others are viewers."""
    with opened(home) as (store, _):
        if name is not None and role is not None:
            who = _who(store, as_name)
            if role == "none":
                store.access.take_away(who, name)
            else:
                store.access.give(who, name, role)
        elif name is not None:
            raise BadReference(
                f"Say which role {name} is to have: viewer, author, publisher, admin, or none."
            )
        given = store.access.roles()
        protected = store.access.protected()
    if given:
        show(["who", "role"], ([person, has] for person, has in given.items()))
    else:
        typer.echo("Nobody was given a role, so everybody is an admin.")
    typer.echo(f"Protected labels: {', '.join(sorted(protected)) or 'none'}.")


def protect(
    name: Annotated[str, typer.Argument(help="Label, such as production.")],
    *,
    off: Annotated[bool, typer.Option("--off", help="Take the protection away.")] = False,
    as_name: AsOption = None,
    home: HomeOption = None,
) -> None:
    """Let a label be moved by publishers alone."""
    with opened(home) as (store, _):
        change: Callable[[Identity, str], None] = store.access.unprotect if off else store.access.protect
        change(_who(store, as_name), name)
    typer.echo(f"{name} is {'no longer protected' if off else 'protected'}.")


def refusals(*, home: HomeOption = None) -> None:
    """What somebody was not allowed to do, the last first."""
    with opened(home) as (store, _):
        found = store.access.refusals()
    if not found:
        typer.echo("Nobody was refused anything.")
        return
    show(
        ["when", "who", "may not", "why"],
        ([_time(one.refused_at), str(one.who), one.action, one.why] for one in reversed(found)),
    )


def warn_of(doubts: Iterable[FileProblem]) -> None:
    """Say what is doubtful, beside what is asked for."""
    for doubt in doubts:
        typer.echo(f"warning: {doubt}", err=True)


@contextmanager
def opened(home: Path | None) -> Iterator[tuple[PromptStore, Settings]]:
    """What is kept of prompts, in the home folder or where the settings say; and those settings."""
    settings = Settings() if home is None else Settings(home=home)
    folders = Home.of(settings)
    with StateDatabase.open(settings) as database:
        unmet = required_sets(
            lambda: load_case_sets(
                folders.prompts, PromptHub.load_cached(folders.prompts, folders.cached_prompts).profiles
            ),
            database,
            present_in(lambda: Registry.load(folders.registry)),
        )
        yield PromptStore.over(database, unmet=unmet), settings


def _who(store: PromptStore, as_name: str | None) -> Identity:
    user = system_user()
    return user if as_name is None else store.access.acting_as(user, as_name)


def _saved(
    store: PromptStore, settings: Settings, who: Identity, profile_id: str, message: str
) -> tuple[Revision, bool]:
    return store.save(who, _files(settings, profile_id), profile_id, message=message)


def _files(settings: Settings, profile_id: str) -> PromptHub:
    """What the files say, with a warning of what is doubtful in one profile."""
    home = Home.of(settings)
    hub = PromptHub.load_cached(home.prompts, home.cached_prompts)
    warn_of(hub.doubts.get(profile_id, ()))
    return hub


def _cells(move: Move) -> list[str]:
    why = move.why if move.overrode is None else f"{move.why} (overriding: {move.overrode})"
    return [
        _time(move.moved_at),
        move.label,
        short(move.from_hash or ""),
        short(move.to_hash or ""),
        str(move.who),
        why,
    ]


def _tell_check(store: PromptStore, who: Identity, label: str, profile: PromptProfile, *, named: str) -> None:
    """Say whether a label could move; exit code 1 if it could not."""
    now, to = store.labels.of(profile.id).get(label), short(profile.hash)
    if now == profile.hash:
        typer.echo(f"{label} of {profile.id} points at {to} already.")
    hindrances = store.labels.hindrances(who, label, profile, named=named)
    if not hindrances:
        if now != profile.hash:
            where = f"from {short(now)} to {to}" if now else f"to {to}"
            typer.echo(f"{label} of {profile.id} can move {where}: nothing is missing.")
        return
    typer.echo(f"{label} of {profile.id} could not move to {to} now:", err=True)
    for words in hindrances:
        typer.echo(f"- {words}", err=True)
    typer.echo(
        "Run what is missing, or pass over it as an admin and say why: --override --why REASON.", err=True
    )
    raise typer.Exit(1)


def _refuse_swapped(settings: Settings, command: str, name: str, reference: str) -> None:
    """Make sure that a label and a profile are given in this order.

    Raises:
        BadReference: What stands for the label is a profile, and what stands for the profile is none.
    """
    home = Home.of(settings)
    profiles = PromptHub.load_cached(home.prompts, home.cached_prompts).profiles
    label_place = name.partition("@")[0]
    if reference.partition("@")[0] not in profiles and label_place in profiles:
        raise BadReference(
            f"{label_place} is a profile and {reference} is none; the label comes first: {command} {reference} {name}"
        )


def _tell_new_label(store: PromptStore, profile_id: str, name: str) -> None:
    """Say so where a profile has no such label yet: a name that is misspelled requires nothing."""
    known = {*store.labels.of(profile_id), *store.access.protected()}
    if name not in known:
        hint = did_you_mean(name, known).strip()
        typer.echo(f"{name} is a new label of {profile_id}{f'; {hint}' if hint else '.'}", err=True)


def _tell(move: Move) -> None:
    if move.is_none:
        typer.echo(
            f"{move.label} of {move.profile_id} points at {short(move.to_hash or '')} already: nothing is moved."
        )
        return
    where = f"points at {short(move.to_hash)}" if move.to_hash else "is taken away"
    before = f", before at {short(move.from_hash)}" if move.from_hash else ""
    typer.echo(f"{move.label} of {move.profile_id} {where}{before}.")
    if move.overrode:
        typer.echo(f"Passed over: {move.overrode}.", err=True)


def _time(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")
