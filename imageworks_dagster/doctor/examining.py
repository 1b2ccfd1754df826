"""All checks in order; one that cannot be made is a finding itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imageworks_dagster.doctor import kept, machine
from imageworks_dagster.doctor.findings import Finding
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.opened import has_home
from registry.registry import Registry
from store.home import Home
from store.object_paths import ObjectPath
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def examine(looking: Callable[[str], None]) -> Iterator[Finding]:
    """Look at everything; nothing is changed.

    Args:
        looking: Told what is looked at next.
    """
    looking("packages")
    yield from machine.python_and_packages()
    yield from machine.programs()
    looking("devices")
    yield from machine.devices()
    try:
        settings = Settings()
        home = Home.of(settings)
    except EXPLAINED as error:
        yield Finding("settings", "broken", str(error), "Correct it; nothing else can be looked at before.")
        return
    try:
        registry = Registry.load(home.registry)
    except EXPLAINED as error:
        yield Finding("registry", "broken", str(error), "Correct the file: `python -m registry validate`.")
        registry = None
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("settings", lambda: machine.variables(os.environ, registry.variables if registry else frozenset())),
        ("disk", lambda: machine.disk(home)),
        ("home", lambda: machine.permissions(home)),
        ("prompts", lambda: kept.prompts(home)),
    ]
    if has_home(settings):
        checks += [
            ("database", lambda: kept.database(settings, home)),
            ("manifests", lambda: kept.manifests(settings, home)),
            ("leases", lambda: kept.leases(settings)),
            ("telemetry", lambda: kept.telemetry(home)),
        ]
        if isinstance(place := home.assets, ObjectPath):
            checks.append(("artifacts", lambda: kept.artifacts(settings, place)))
    if registry is not None:
        checks.append(("models", lambda: kept.models(registry)))
    for name, check in checks:
        looking(name)
        try:
            yield from check()
        except EXPLAINED as error:
            yield Finding(
                name, "broken", str(error), "Do what it says; docs/operations.md has more by symptom."
            )
        except OSError as error:
            words = f"{error.filename or home.root} cannot be read: {error.strerror or error}"
            yield Finding(name, "broken", words, "Fix its permissions, or look at its disk.")
