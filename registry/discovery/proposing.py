"""What is new among the models that a server has, and the entry that it would have in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from registry.addresses import is_private
from registry.errors import BadDeploymentUrl
from registry.naming import LONGEST, free_name, name_of
from registry.schema import MIG_PROFILE, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.discovery.servers import FoundDevice, FoundModel, FoundServer
    from registry.registry import Registry
    from registry.schema import Deployment, Model

_DEFAULT_TAG: Final = ":latest"
_SHOWABLE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,256}")
_DEVICE_NAME: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_OF_EVERY_MACHINE: Final = re.compile(r"host|gpu-[0-9]{1,3}(\.[0-9]{1,2})?")
_DEVICE_UUID: Final = re.compile(r"(GPU|MIG)-[A-Za-z0-9-]{1,80}")
_SEEING_NAME: Final = re.compile(r"(^|[^a-z])(vl|vlm|vision|llava|pixtral|internvl)([^a-z]|$)", re.IGNORECASE)
_CHAT_ROLES: Final = tuple(role for role in ROLES if role != "iqa")
_CONTEXT: Final = 8192
_OUTPUT: Final = 2048
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """A field of a proposed entry, with where it comes from.

    Attributes:
        value: Plain, or a mapping or list of plain values.
        why: What was learned, or that it is a guess; empty where it goes without saying.
    """

    value: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A proposed model.

    Attributes:
        fields: By name, in the order in which they are written.
        notes: What is to be known before it is used.
    """

    name: str
    fields: dict[str, Said]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Proposal:
    """What comes of looking at servers.

    Attributes:
        servers: What each is, in words.
        known: What the registry has already, in words.
        left_out: What cannot be proposed, and why.
        devices: That supervisors name and the registry does not declare, by name.
        entries: Models that are new.
    """

    servers: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    devices: dict[str, FoundDevice] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


def propose(servers: Iterable[FoundServer], registry: Registry) -> Proposal:
    """Compare what servers have with what a registry has.

    Args:
        servers: Those that answered.
        registry: The user's as it is.
    """
    proposal = Proposal()
    taken = {*registry.models, *ROLES, *(alias for one in registry.models.values() for alias in one.aliases)}
    for server in servers:
        count = len(server.models)
        models = "1 model" if count == 1 else f"{count} models"
        proposal.servers.append(f"{server.url} is {server.words}, with {models}")
        device = _usable(server.device)
        for model in (part for found in server.models for part in _parts(found, registry)):
            known = _known(registry, server, model)
            if known:
                proposal.known.append(known)
                continue
            if problem := _unusable(server, model):
                proposal.left_out.append(f"{model.served_model_id[:80]!r} at {server.url} {problem}")
                continue
            name = free_name(name_of(model.served_model_id), taken)
            taken.add(name)
            proposal.entries.append(_entry(name, server, model, device))
            if (
                device
                and device.name not in registry.devices
                and not _OF_EVERY_MACHINE.fullmatch(device.name)
            ):
                proposal.devices[device.name] = device
    return proposal


def _parts(found: FoundModel, registry: Registry) -> Iterator[FoundModel]:
    """A worker's metrics by the model of the registry that has them; the others together."""
    left = found.metrics
    for model in registry.models.values():
        limits = model.capabilities.iqa
        there = tuple(name for name in left if limits is not None and name in limits.metrics)
        if there:
            left = tuple(name for name in left if name not in there)
            yield replace(found, metrics=there)
    if left or not found.metrics:
        yield replace(found, metrics=left)


def _known(registry: Registry, server: FoundServer, found: FoundModel) -> str | None:
    """How the registry has a model; None if it does not."""
    elsewhere = None
    for model in registry.models.values():
        for deployment in model.deployments:
            if deployment.provider != server.provider or not _is(found, model, deployment):
                continue
            if _same_place(_url(registry, deployment), server.url):
                return f"{_what(found)} at {server.url} is known: it is {model.name}"
            elsewhere = elsewhere or (
                f"{_what(found)} at {server.url} is known as {model.name}, which is asked at "
                f"{deployment.base_url}: to ask it here too, say so in base_url of its deployment {deployment.name}"
            )
    return elsewhere


def _is(found: FoundModel, model: Model, deployment: Deployment) -> bool:
    if found.metrics:
        limits = model.capabilities.iqa
        return limits is not None and set(found.metrics) <= set(limits.metrics)
    ids = {deployment.served_model_id, f"{deployment.served_model_id}{_DEFAULT_TAG}"}
    return found.served_model_id in ids


def _what(found: FoundModel) -> str:
    return ", ".join(found.metrics) or found.served_model_id


def _url(registry: Registry, deployment: Deployment) -> str | None:
    try:
        return registry.url(deployment)
    except BadDeploymentUrl:
        return None


def _same_place(one: str | None, other: str) -> bool:
    return one is not None and one.replace("//localhost", "//127.0.0.1") == other.replace(
        "//localhost", "//127.0.0.1"
    )


def _unusable(server: FoundServer, model: FoundModel) -> str | None:
    if not all(_SHOWABLE.fullmatch(words) for words in (model.served_model_id, *model.metrics)):
        return "has a name that cannot be written down"
    if model.chats is False and server.provider != "tf_iqa":
        return "does not chat; an embedding model has no use here"
    return None


def _usable(device: FoundDevice | None) -> FoundDevice | None:
    """The device, if a registry can name it."""
    if device is None or len(device.name) > LONGEST or not _DEVICE_NAME.fullmatch(device.name):
        return None
    fits = device.kind in {"whole", "mig", "host"}
    fits = fits and (device.uuid is None or _DEVICE_UUID.fullmatch(device.uuid) is not None)
    fits = fits and (device.mig_profile is None or re.fullmatch(MIG_PROFILE, device.mig_profile) is not None)
    return device if fits else None


def _entry(name: str, server: FoundServer, found: FoundModel, device: FoundDevice | None) -> Entry:
    measures = server.provider == "tf_iqa"
    capabilities, notes = _iqa(found) if measures else _chat(server, found)
    sees = "vision" in capabilities
    fields: dict[str, Said] = {}
    if sees or measures:
        why = "what it may be given; take out what it does badly"
        fields["roles"] = Said(["iqa"] if measures else list(_CHAT_ROLES), why)
    fields |= {f"capabilities.{field}": said for field, said in capabilities.items()}
    fields["deployments"] = Said([_deployment(server, found, device)])
    if found.file_bytes is not None:
        # Weights, their copy in the device's own layout, and a cache of some thousand tokens.
        estimate = found.file_bytes * 6 // 5 // _MIB + 1024
        fields["footprint"] = Said(
            {
                "vram_mib": estimate,
                "source": f"estimate from {found.file_bytes / 1e9:.1f} GB of file; not measured",
            },
            "a guess; `python -m backends devices` shows what it takes once it is loaded",
        )
    if measures:
        fields["parameters"] = Said({"allowed": []})
    if found.weights is not None and _SHOWABLE.fullmatch(found.weights):
        fields["revision"] = Said(found.weights[:64], "the digest of its weights there")
    if found.root not in {None, found.served_model_id}:
        notes = (f"Its weights came from {found.root}.", *notes)
    if not is_private(server.url):
        notes = (
            *notes,
            "Its server is outside your network: photos go there only with IMAGEWORKS_ALLOW_REMOTE=true.",
        )
    return Entry(name, fields, notes)


def _iqa(found: FoundModel) -> tuple[dict[str, Said], tuple[str, ...]]:
    if found.metrics:
        return {"iqa": Said({"metrics": list(found.metrics)}, "as the worker says")}, ()
    guessed = found.served_model_id.replace("-", "_")
    return {"iqa": Said({"metrics": [guessed]}, "a guess by its name; a supervisor does not say it")}, ()


def _chat(server: FoundServer, found: FoundModel) -> tuple[dict[str, Said], tuple[str, ...]]:
    notes = []
    length = found.context_tokens
    if length is None:
        context, why = _CONTEXT, "context_tokens is a guess; its server does not say"
    elif server.provider == "ollama":
        # Ollama sets memory apart for as many as it is asked for.
        context = min(length, _CONTEXT)
        why = f"it can take {length} tokens, and more take more memory"
    else:
        context, why = length, "context_tokens as its server says"
    output = min(_OUTPUT, max(1, context // 2))
    chat = {"context_tokens": context, "max_output_tokens": output, "structured_output": True}
    capabilities = {"chat": Said(chat, f"{why}; the rest is a guess, which `python -m backends probe` tries")}
    by_name = found.sees is None and _SEEING_NAME.search(f"{found.served_model_id} {found.root or ''}")
    if found.sees or by_name:
        told = "that it sees is a guess by its name" if by_name else "it sees, as its server says"
        vision = {"max_images": 2, "max_long_side": 1024}
        capabilities["vision"] = Said(vision, f"{told}; the numbers are guesses")
    elif found.sees is None:
        notes.append(
            "Whether it sees is not said. If it does: vision: {max_images: 2, max_long_side: 1024} under capabilities, "
            "and roles."
        )
    return capabilities, tuple(notes)


def _deployment(server: FoundServer, found: FoundModel, device: FoundDevice | None) -> dict[str, Any]:
    deployment: dict[str, Any] = {
        "name": server.provider.replace("_", "-"),
        "provider": server.provider,
        "base_url": server.url,
        "served_model_id": found.served_model_id,
    }
    if device is not None:
        deployment["devices"] = [device.name]
    if not is_private(server.url):
        deployment["remote"] = True
    return deployment
