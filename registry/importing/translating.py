"""Old entries as the user's layer of the registry: pure, from plain values to plain values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from registry.importing.abilities import capabilities_of, defaults_of, roles_of
from registry.importing.arguments import read_arguments
from registry.importing.placing import deployment_of
from registry.naming import free_name, name_of
from registry.schema import ROLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from store.import_report import ImportReport

_ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@()+-]{0,127}")
_LONGEST_DESCRIPTION: Final = 500
_LONGEST_REVISION: Final = 64

_READ: Final = frozenset({
    "name", "display_name", "backend", "backend_config", "capabilities", "generation_defaults", "served_model_id",
    "model_aliases", "roles", "role_priority", "deprecated", "quantization", "family", "source_provider", "license",
})  # fmt: skip

_NOT_CARRIED: Final = {
    "chat_template": "the server has the template; one of your own is an argument of what starts it",
    "source": "where weights were fetched from is not kept here",
    "metadata": "notes of the old discovery; `python -m registry discover` asks the servers anew",
    "backend_alternatives": "one deployment is written; add others to deployments, in order of preference",
    "performance": "measured by the old proxy; telemetry here measures anew, see docs/analysts.md",
    "probes": "`python -m backends probe` tries anew what the model can do",
    "version_lock": "change revision when the weights change: nothing is locked",
}
_OF_DOWNLOADS: Final = "weights are kept and fetched by what serves them"


def translate(
    entries: Mapping[str, Mapping[str, Any]], taken: Collection[str], report: ImportReport
) -> dict[str, Any]:
    """The content of a `registry.yaml` that says what the entries say.

    Args:
        entries: Old name → fields.
        taken: Names and aliases that the shipped layer has.
        report: Told what became of each field.
    """
    made = {old: one for old, entry in entries.items() if (one := _model(old, entry, report)) is not None}
    names = {*taken, *ROLES}
    # All names before the first alias: an alias gives way to a name.
    called: dict[str, str] = {}
    for old in made:
        called[old] = free_name(name_of(old), names)
        names.add(called[old])
        if called[old] != old:
            report.changed(old, "name", f"is {called[old]}, which is how names are written here")
    models: dict[str, Any] = {}
    ranks: dict[str, list[tuple[float, str]]] = {}
    for old, (fields, roles) in made.items():
        name = called[old]
        aliases = _aliases(old, entries[old], names, report)
        names.update(aliases)
        models[name] = {**({"aliases": aliases} if aliases else {}), **fields}
        if not fields.get("deprecated") and "vision" in fields["capabilities"]:
            for role, priority in roles.items():
                ranks.setdefault(role, []).append((priority, name))
    chosen = {role: max(ranks[role], key=lambda rank: rank[0])[1] for role in ROLES if role in ranks}
    for role, name in chosen.items():
        others = [other for _, other in ranks[role] if other != name]
        before = f", before {', '.join(others)}" if others else ""
        report.mapped("roles", role, f"is {name}{before}")
    return {**({"roles": chosen} if chosen else {}), **({"models": models} if models else {})}


def _model(
    old: str, entry: Mapping[str, Any], report: ImportReport
) -> tuple[dict[str, Any], dict[str, float]] | None:
    given = entry.get("backend_config")
    config = given if isinstance(given, dict) else {}
    told = read_arguments(old, config.get("extra_args"), report, ollama=entry.get("backend") == "ollama")
    deployment = deployment_of(old, entry, told, report)
    capabilities = capabilities_of(old, entry, told, report) if deployment else None
    if deployment is None or capabilities is None:
        return None
    _report_the_rest(old, entry, config, report)
    roles = roles_of(old, entry, report)
    defaults = defaults_of(old, entry, capabilities, report)
    fields: dict[str, Any] = {
        "description": _description(old, entry, report),
        "roles": [role for role in ROLES if role in roles],
        "capabilities": capabilities,
        "deployments": [deployment],
        "parameters": {"defaults": defaults} if defaults else None,
        "revision": _revision(old, entry, report),
    }
    if entry.get("deprecated") is True:
        fields["deprecated"] = True
        report.mapped(old, "deprecated", "is deprecated: true; it is not given a role by itself")
    return {field: value for field, value in fields.items() if value}, roles


def _aliases(old: str, entry: Mapping[str, Any], taken: Collection[str], report: ImportReport) -> list[str]:
    listed = entry.get("model_aliases")
    further = listed if isinstance(listed, list) else []
    aliases: list[str] = []
    for field, alias in (("name", old), *(("model_aliases", one) for one in further)):
        if alias in aliases or (field == "name" and alias in taken):
            continue
        if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
            report.dropped(old, field, f"{alias!r} cannot be an alias here; callers use the new name")
        elif alias in taken:
            report.dropped(old, field, f"{alias} is the name of another model or role here")
        else:
            aliases.append(alias)
            report.mapped(old, field, f"{alias} is an alias: callers may go on using it")
    return aliases


def _description(old: str, entry: Mapping[str, Any], report: ImportReport) -> str:
    said = {
        field: str(entry[field])
        for field in ("display_name", "family", "quantization", "source_provider", "license")
        if entry.get(field)
    }
    for field in said:
        report.mapped(old, field, "stands in description")
    words = ", ".join(
        [
            said.pop("display_name", old),
            *(f"{field.replace('_', ' ')} {text}" for field, text in said.items()),
        ]
    )
    plain = "".join(letter if letter.isprintable() else " " for letter in words)
    return f"{plain[:_LONGEST_DESCRIPTION]}. Imported."


def _revision(old: str, entry: Mapping[str, Any], report: ImportReport) -> str | None:
    artifacts = entry.get("artifacts")
    digest = artifacts.get("aggregate_sha256") if isinstance(artifacts, dict) else None
    for field, value in (("artifacts.aggregate_sha256", digest), ("quantization", entry.get("quantization"))):
        revision = str(value)[:_LONGEST_REVISION] if value else ""
        if revision and revision.isprintable():
            report.mapped(old, field, "is revision; change it when the weights change")
            return revision
    return None


def _report_the_rest(
    old: str, entry: Mapping[str, Any], config: Mapping[str, Any], report: ImportReport
) -> None:
    """Tell of every other field that says something."""
    if config.get("model_path"):
        where = f"{config['model_path']} is not carried: what serves the model knows its weights (docs/supervisor.md)"
        report.dropped(old, "backend_config.model_path", where)
    for field in sorted(config.keys() - {"host", "port", "base_url", "model_path", "extra_args"}):
        report.dropped(old, f"backend_config.{field}", "is not known here")
    for field, value in entry.items():
        if field in _READ or not _says_something(value):
            continue
        if field == "artifacts" and isinstance(value, dict):
            if value.get("files"):
                report.dropped(old, "artifacts.files", _OF_DOWNLOADS)
            continue
        downloaded = field.startswith("download") or field == "last_accessed"
        report.dropped(
            old, field, _NOT_CARRIED.get(field) or (_OF_DOWNLOADS if downloaded else "is not known here")
        )


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, list):
        return any(map(_says_something, value))
    return value not in (None, "", False, 0, "embedded")
