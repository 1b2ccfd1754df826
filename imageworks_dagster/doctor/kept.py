"""Checks of what is kept: the state database, tables, telemetry, prompts, registry, leases, models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import httpx
from sqlalchemy import select

from backends.leases.standing import read_standing
from imageworks.counting import counted
from imageworks_dagster.backup.contents import is_whole, named_tables
from imageworks_dagster.doctor.findings import Finding, Level
from prompt_hub.checking import doubts
from prompt_hub.hub import PromptHub
from registry.errors import BadDeploymentUrl
from store.errors import DatabaseOlder
from store.object_shelf import uploads
from store.path_text import path_text
from store.reading import reading
from store.sqlite_copies import check_sqlite
from store.tables import published_tables
from telemetry.fsck import fsck
from telemetry.manifest import manifest_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.registry import Registry
    from registry.schema import Deployment
    from store.home import Home
    from store.object_paths import ObjectPath
    from store.settings import Settings

_HEALTH: Final = {
    "vllm": "/health",
    "trtllm": "/health",
    "ollama": "/api/version",
    "tf_iqa": "/healthz",
    "gateway": "/healthz",
    "openai": "/v1/models",
}
_WAIT_S: Final = 3.0
_AT_ONCE: Final = 8
_FAILS: Final = 500
_REFUSES: Final = "a run refuses"


def database(settings: Settings, home: Home) -> Iterator[Finding]:
    """The state database: its revision, and whether all of it can be read."""
    try:
        with reading(settings) as connection:
            tables = named_tables(connection)
    except DatabaseOlder as error:
        yield Finding("database", "look", str(error), "Take a backup, then run `imageworks status`.")
        return
    if settings.state_url is None:
        check_sqlite(home.state_db)
    yield Finding("database", "ok", "the state database has this version's tables, and can be read")
    lost = [one for one in tables if not is_whole(home.assets, one)]
    for one in lost:
        batch = one.path.split("/")[-2]
        if one.current:
            yield Finding(
                "tables",
                "broken",
                f"the table {one.path} is not whole",
                f"Materialize its asset for {batch} again, or restore a backup.",
            )
        else:
            yield Finding(
                "tables",
                "look",
                f"the table {one.path} of an older run is not whole",
                "Nothing needs it; a backup has it if it must be compared.",
            )
    if not lost:
        yield Finding("tables", "ok", f"{len(tables)} tables are whole")


def manifests(settings: Settings, home: Home) -> Iterator[Finding]:
    """Whether the runs that published tables have their manifests in this home, where all hosts' runs should.

    The tables and the state database may be shared by hosts whose homes are not.
    """
    with reading(settings) as connection:
        runs = connection.execute(select(published_tables.c.run_id).distinct()).scalars().all()
    missing = sorted(set(runs) - {file.stem for file in manifest_files(home)})
    if not missing:
        yield Finding("manifests", "ok", f"each of {counted(len(runs), 'run')} with a table has its manifest")
        return
    remedy = (
        "Restore them from a backup; without them nobody can tell what those tables depended on."
        if settings.state_url is None
        else "If a host of yours has a home of its own, let all of them have one, on a disk that they share "
        '(docs/operations.md, "On several hosts"), and put its manifests there; else restore a backup.'
    )
    yield Finding(
        "manifests",
        "look",
        f"{counted(len(missing), 'run')} of {len(runs)} with a table, such as {missing[0]}, left no manifest in this "
        "home",
        remedy,
    )


def artifacts(settings: Settings, place: ObjectPath) -> Iterator[Finding]:
    """The store of objects that holds the tables: whether it answers, and what killed runs left there."""
    place.check()
    # The listing first: what is published in between is in the database when it is asked.
    there = uploads(place)
    with reading(settings) as connection:
        listed = {one.path for one in named_tables(connection)}
    left = [
        one
        for one in there
        if one.is_marked and one.is_old and one.place.relative_to(place).as_posix() not in listed
    ]
    for one in left:
        yield Finding(
            "artifacts",
            "look",
            f"{one.place} was never published: its run was killed",
            "Nobody reads it; its asset's next run in that batch removes it, and so does forgetting any photo.",
        )
    if not left:
        yield Finding("artifacts", "ok", f"{place} answers, and holds nothing that no run published")


def telemetry(home: Home) -> Iterator[Finding]:
    """Telemetry and run manifests, read as a whole."""
    report = fsck(home)
    for problem in report.problems:
        yield Finding(
            "telemetry",
            "look",
            f"{path_text(problem.path)}: {problem.what}",
            f"{problem.remedy[:1].upper()}{problem.remedy[1:]} (python -m telemetry).",
        )
    if not report.problems:
        yield Finding(
            "telemetry",
            "ok",
            f"{report.events + report.spooled:,} records and {report.manifests} manifests can be read",
        )


def prompts(home: Home) -> Iterator[Finding]:
    """All profiles, and whether a run would take their stages."""
    hub = PromptHub.load(home.prompts)
    refused = [
        (profile.id, words)
        for profile in hub.profiles.values()
        if profile.application != "base"
        for _, words in doubts(profile)
        if _REFUSES in words
    ]
    for name, words in refused:
        yield Finding(
            "prompts",
            "look",
            f"{name}: a stage {words}",
            "Correct the profile: `python -m prompt_hub validate`.",
        )
    if not refused:
        yield Finding("prompts", "ok", f"{len(hub.profiles)} profiles are valid")


def leases(settings: Settings) -> Iterator[Finding]:
    """Leases, waiters and switches whose process is gone."""
    standing = read_standing(settings)
    orphans = [
        f"a lease on {one.model}, held by {one.holder}" for one in standing.leases if one.expires_in_s < 0
    ]
    orphans += [f"somebody who waits for {one.model}, {one.holder}" for one in standing.waiters if one.gone]
    orphans += [
        f"a {step.phase} of {step.model} on {one.name}"
        for one in standing.devices
        for step in one.transitions
        if step.overdue
    ]
    for one in orphans:
        yield Finding(
            "leases",
            "look",
            f"{one}: its process is gone",
            "The next request that waits settles it; see `python -m backends leases`.",
        )
    if not orphans:
        yield Finding("leases", "ok", f"{len(standing.leases)} leases are held, none without its process")


def models(registry: Registry) -> Iterator[Finding]:
    """Whether the servers answer that roles need; the first deployment that does is enough for a model."""
    wanted = {
        name: [role for role, model in registry.roles.items() if model == name]
        for name in registry.roles.values()
    }
    places = {
        (name, place.name): place
        for name in wanted
        for place in registry.models[name].deployments
        if place.provider != "embedded"
    }
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        said = dict(
            zip(places, pool.map(lambda place: _trouble(registry, place), places.values()), strict=True)
        )
    for name, roles in wanted.items():
        troubles = [trouble for (model, _), trouble in said.items() if model == name]
        for_roles = f"{name}, for {', '.join(roles)}"
        if not troubles:
            yield Finding("models", "ok", f"{for_roles}: runs within ImageWorks")
        elif None in troubles:
            yield Finding("models", "ok", f"{for_roles}: its server answers")
        else:
            # Image quality is asked only where somebody names a model for it.
            level: Level = "look" if roles == ["iqa"] else "broken"
            words = f"{for_roles}: {'; '.join(filter(None, troubles))}"
            yield Finding(
                "models",
                level,
                words,
                "Start its server, correct its address in registry.yaml, or give the role to another model.",
            )


def _trouble(registry: Registry, place: Deployment) -> str | None:
    try:
        url = registry.url(place)
    except BadDeploymentUrl as error:
        return str(error)
    try:
        with httpx.Client(timeout=_WAIT_S, trust_env=False) as client:
            status = client.get(f"{url}{_HEALTH[place.provider]}").status_code
    except httpx.HTTPError as error:
        # The address that was asked: the registry's may name a variable.
        return f"{url} does not answer: {type(error).__name__}"
    return f"{url} answers with HTTP {status}" if status >= _FAILS else None
