"""The settings that a command runs by, and how they are shown."""

from __future__ import annotations

import os

from imageworks_dagster.command.switching import switch_lines
from imageworks_dagster.command.terminal import console, errors, indented, say
from registry.errors import RegistryError
from registry.registry import Registry
from store.home import Home
from store.older_variables import set_in
from store.settings import Settings, unknown_variables, variable


def settings_in_force() -> Settings:
    """The settings, from the environment; what is none is said.

    Raises:
        store.errors.SettingsError: a value cannot be used.
    """
    settings = Settings()
    for name in _ignored_variables(settings):
        said = f"{name} is no setting and is ignored; `imageworks config` lists them."
        say(errors, said, style="yellow")
    return settings


def tell_settings(settings: Settings) -> None:
    """Say what is switched on for which application, then all settings, whence and what they mean; secrets masked."""
    for line in switch_lines(settings, lambda setting: _source(settings, setting)):
        say(console, line)
    for name, value in settings.masked().items():
        source = _source(settings, name)
        say(console, f"{variable(name)} = {value}  ({source})", style="bold")
        say(console, indented(Settings.model_fields[name].description or ""))
    for older in set_in(os.environ):
        say(console, f"{older.name}  (of the older set-up)", style="bold")
        say(console, indented(f"{older.words[:1].upper()}{older.words[1:]}."))


def _source(settings: Settings, name: str) -> str:
    """Where a setting's value comes from."""
    if name not in settings.model_fields_set:
        return "default"
    older = [one.name for one in set_in(os.environ) if one.setting == name]
    return f"from {older[0]}" if older and not os.environ.get(variable(name)) else "set"


def _ignored_variables(settings: Settings) -> list[str]:
    """Variables that look like settings and that nothing reads; the registry's addresses name some too."""
    unknown = unknown_variables(os.environ)
    if not unknown:
        return []
    try:
        read = Registry.load(Home.of(settings).registry).variables
    except RegistryError as error:
        # It may be what this command is to be without, so it stops nothing here.
        say(errors, str(error), style="yellow")
        return []
    return [name for name in unknown if name not in read]
