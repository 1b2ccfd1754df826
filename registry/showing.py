"""How models are shown on a terminal. What a file says is shown as it stands, never as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from registry.addresses import missing_variables
from registry.errors import BadDeploymentUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.registry import Registry
    from registry.schema import Deployment, Model

# A digest is stored whole and shown short.
SHOWN_DIGITS = 12


def models_table(registry: Registry) -> Table:
    """Make the table of all models: what each can do, which roles it may have and has, where it is served."""
    table = Table(caption=f"registry_version {registry.version[:SHOWN_DIGITS]}", caption_justify="left")
    for heading in ("model", "aliases", "can", "roles", "role now", "served by", "revision", "from"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "served by")
    for model in registry.models.values():
        held = [role for role, name in registry.roles.items() if name == model.name]
        name = Text(model.name, style="dim" if model.deprecated else "bold")
        if model.deprecated:
            name.append(" (deprecated)")
        table.add_row(
            name,
            Text(", ".join(model.aliases)),
            Text(capabilities_text(model)),
            Text(", ".join(model.roles)),
            Text(", ".join(held), style="green"),
            Text("\n".join(where(registry, deployment) for deployment in model.deployments)),
            Text(model.model_revision[:SHOWN_DIGITS]),
            Text(" + ".join(layers_of(registry, model))),
        )
    return table


def devices_table(registry: Registry) -> Table:
    """Make the table of the devices that are declared: what each is, and which models may be on it."""
    table = Table(title="Declared devices", title_justify="left")
    for heading in ("device", "kind", "memory", "uuid", "models"):
        table.add_column(heading, overflow="fold")
    for name, device in registry.devices.items():
        there = [
            model.name
            for model in registry.models.values()
            if any(name in deployment.devices for deployment in model.deployments)
        ]
        table.add_row(
            Text(name, style="bold"),
            Text(device.mig_profile or device.kind),
            Text("" if device.memory_mib is None else f"{device.memory_mib:,} MiB"),
            Text(device.uuid or ""),
            Text(", ".join(there)),
        )
    return table


def fields_table(registry: Registry, model: Model) -> Table:
    """Make the table of one model's effective fields, each with the layer that set it."""
    table = Table(title=model.name, title_justify="left", caption_justify="left")
    table.caption = f"model_revision {model.model_revision}"
    for heading in ("field", "value", "from"):
        table.add_column(heading, overflow="fold")
    for field, value in _fields(model.model_dump(mode="json"), ""):
        layer = registry.provenance.get(f"models.{model.name}.{field}", "default")
        table.add_row(
            Text(field), Text(_plain(value)), Text(layer, style="dim" if layer == "default" else "")
        )
    for index, deployment in enumerate(model.deployments):
        if deployment.base_url is not None:
            table.add_row(
                Text(f"deployments[{index}], address here"),
                Text(address(registry, deployment)),
                Text("environment"),
            )
    for role, name in registry.roles.items():
        if name == model.name:
            table.add_row(
                Text("has the role"), Text(role), Text(registry.provenance.get(f"roles.{role}", ""))
            )
    return table


def capabilities_text(model: Model) -> str:
    """Write what a model can do in a line."""
    can = model.capabilities
    words = []
    if can.chat is not None:
        words.append("chat with schema" if can.chat.structured_output else "chat")
    if can.vision is not None:
        words.append(f"vision ({can.vision.max_images})")
    if can.iqa is not None:
        words.append(f"iqa ({', '.join(can.iqa.metrics)})")
    return ", ".join(words)


def where(registry: Registry, deployment: Deployment) -> str:
    """Write where a deployment is: its provider and address, whether photos would leave, its devices and slots."""
    if deployment.base_url is None:
        return deployment.provider
    words = f"{deployment.provider} {address(registry, deployment)}"
    if deployment.devices:
        words += f" on {', '.join(deployment.devices)}"
    if deployment.slots is not None:
        words += f", {deployment.slots} at once"
    return words


def address(registry: Registry, deployment: Deployment) -> str:
    """Write a deployment's address in this environment, or what it lacks."""
    try:
        url = registry.url(deployment)
        consent = deployment.needs_consent(registry.environ)
    except BadDeploymentUrl:
        missing = missing_variables(deployment.base_url or "", registry.environ)
        return f"needs {', '.join(missing)}" if missing else "unusable: see `python -m registry validate`"
    return f"{url} (remote)" if consent else url


def layers_of(registry: Registry, model: Model) -> tuple[str, ...]:
    """Name the layers that say something about a model, the shipped one first."""
    prefix = f"models.{model.name}."
    layers = {layer for field, layer in registry.provenance.items() if field.startswith(prefix)}
    return tuple(layer for layer in ("shipped", "user") if layer in layers)


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _fields(inner, f"{path}[{index}]")
    else:
        yield path, value


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) if value else "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "-" if value is None or value in ({}, "") else str(value)
