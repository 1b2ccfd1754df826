"""What a registry's files must also hold to, beyond the type of each field."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from registry.addresses import expand, is_private, missing_variables, problem_with_template
from registry.nearest import did_you_mean
from registry.parameters import KINDS, problem_with
from registry.schema import (
    ROLES,
    Capabilities,
    ChatLimits,
    DeclaredDevice,
    Deployment,
    Footprint,
    IqaLimits,
    Limit,
    Model,
    Parameters,
    Placement,
    VisionLimits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.yaml_reading import FieldPath

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_UUID_PREFIXES: Mapping[str, str] = {"whole": "GPU-", "mig": "MIG-"}

_CHAT_PROVIDERS = frozenset({"vllm", "ollama", "trtllm", "openai"})

# The class whose fields stand at a path; an index and a parameter's name are written as None.
_CLASSES: Mapping[tuple[str | None, ...], type[BaseModel]] = {
    (): Model,
    ("capabilities",): Capabilities,
    ("capabilities", "chat"): ChatLimits,
    ("capabilities", "vision"): VisionLimits,
    ("capabilities", "iqa"): IqaLimits,
    ("deployments", None): Deployment,
    ("footprint",): Footprint,
    ("placement",): Placement,
    ("parameters",): Parameters,
    ("parameters", "limits", None): Limit,
}


# Cards and slices are named as the driver counts them.
_OWN_NAME = re.compile(r"host|gpu-[0-9]{1,3}(\.[0-9]{1,2})?")
OWN_NAMES = ("host", "gpu-0", "gpu-1")
"""The first of them."""


def is_of_every_machine(name: str) -> bool:
    """Tell whether a device has this name by itself, without being declared: ``host``, ``gpu-0``, ``gpu-0.1``."""
    return _OWN_NAME.fullmatch(name) is not None


def check_model(fields: Mapping[str, Any]) -> tuple[Model | None, tuple[tuple[FieldPath, str], ...]]:
    """Make a model of a file's plain values.

    Args:
        fields: the model's fields as YAML gave them.

    Returns:
        The model, or None where a field is wrong; and every problem, with the field's path within the model.
    """
    named = {**fields, "deployments": _served_by_name(fields.get("name"), fields.get("deployments"))}
    try:
        # From JSON and strictly: "8" is no number and 1 is no truth, but a list may fill a tuple.
        model = Model.model_validate_json(json.dumps(named), strict=True)
    except ValidationError as error:
        return None, tuple(_told(error, fields))
    return model, tuple(_problems(model))


def check_device(
    name: str, fields: object
) -> tuple[DeclaredDevice | None, tuple[tuple[FieldPath, str], ...]]:
    """Make a declared device of a file's plain values; see `check_model`."""
    if not _NAME.fullmatch(name):
        return None, (((), "does not have the form of a name: small letters and digits, and . _ - within"),)
    if not isinstance(fields, dict):
        return None, (((), "must be a mapping of names to values"),)
    try:
        device = DeclaredDevice.model_validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        return None, tuple(_told(error, fields, among=DeclaredDevice))
    return device, tuple(_device_problems(name, device))


def _served_by_name(name: object, deployments: Any) -> Any:
    """Let `served_model_id` default to the model's name."""
    if not isinstance(deployments, list):
        return deployments if deployments is not None else []
    return [
        {"served_model_id": name, **deployment} if isinstance(deployment, dict) else deployment
        for deployment in deployments
    ]


def _told(
    error: ValidationError, fields: Mapping[str, Any], *, among: type[BaseModel] = Model
) -> Iterator[tuple[FieldPath, str]]:
    told: set[FieldPath] = set()
    # A misspelled field is also a missing one; the misspelling comes first, because it says what to do.
    for found in sorted(
        error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden"
    ):
        path = _written_path(found["loc"], fields)
        # A union tells of each of its members; one message a field is enough. A list is also called too short
        # when what it holds is wrong.
        if path in told or (found["type"] == "too_short" and found["input"]):
            continue
        told.add(path)
        yield path, _words(found, path, among)


def _written_path(loc: tuple[str | int, ...], fields: Any) -> FieldPath:
    """Cut what pydantic adds to a path (members of a union, ``[key]``) that the file does not have."""
    path: list[str | int] = []
    here = fields
    for place, step in enumerate(loc):
        known = step in here if isinstance(here, dict) else isinstance(here, list) and isinstance(step, int)
        if known:
            here = here[step]
        elif place == len(loc) - 1 and isinstance(here, dict) and step != "[key]":
            here = None
        else:
            break
        path.append(step)
    # A default may be of several types, and pydantic goes on with their names.
    return tuple(path[:3] if path[:2] == ["parameters", "defaults"] else path)


def _words(found: Any, path: FieldPath, among: type[BaseModel]) -> str:
    context = found.get("ctx", {})
    match found["type"]:
        case "extra_forbidden":
            siblings = _siblings(path) if among is Model else tuple(among.model_fields)
            text = (
                f"is no field here; {did_you_mean(str(path[-1]), siblings)}fields are {', '.join(siblings)}"
            )
        case "missing" | "too_short":
            text = "is missing; it must be given"
        case "literal_error":
            text = f"must be {context['expected']}"
        case "string_pattern_mismatch":
            text = f"does not have the form of such a text ({context['pattern']})"
        case "model_type" | "dict_type":
            text = "must be a mapping of names to values"
        case "tuple_type":
            text = "must be a list"
        case _ if path[:2] == ("parameters", "defaults") and len(path) > 2:  # noqa: PLR2004 - below the defaults
            text = problem_with(str(path[2]), object()) or "cannot be used"
        case _:
            text = found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]


def _siblings(path: FieldPath) -> tuple[str, ...]:
    parent = tuple(None if isinstance(step, int) else step for step in path[:-1])
    cls = _CLASSES.get(parent) or _CLASSES.get((*parent[:-1], None))
    return tuple(cls.model_fields) if cls is not None else ()


def _problems(model: Model) -> Iterator[tuple[FieldPath, str]]:
    if model.name in ROLES:
        yield ("name",), "is the name of a role; call the model something else"
    yield from _capability_problems(model)
    yield from _role_problems(model)
    for index, deployment in enumerate(model.deployments):
        for field, text in _deployment_problems(model, deployment):
            yield ("deployments", index, field), text
        if [other.name for other in model.deployments[:index]].count(deployment.name):
            yield ("deployments", index, "name"), f"{deployment.name} stands twice; names must differ"
    yield from _parameter_problems(model)
    if model.placement.prefer == "mig" and model.placement.mig_profile is None:
        yield ("placement", "mig_profile"), "is missing; a model that prefers MIG names its profile"


def _capability_problems(model: Model) -> Iterator[tuple[FieldPath, str]]:
    can = model.capabilities
    if can.chat is None and can.iqa is None:
        yield ("capabilities",), "must hold chat or iqa: a model writes text or measures quality"
    if can.vision is not None and can.chat is None:
        yield ("capabilities", "vision"), "needs capabilities.chat: vision here means pictures in a chat"
    if can.chat is not None and can.chat.max_output_tokens > can.chat.context_tokens:
        yield (
            ("capabilities", "chat", "max_output_tokens"),
            f"is above context_tokens ({can.chat.context_tokens}), which holds prompt and answer together",
        )


def _role_problems(model: Model) -> Iterator[tuple[FieldPath, str]]:
    for role in model.roles:
        need = "iqa" if role == "iqa" else "chat"
        if not model.can(need):
            yield ("roles",), f"has {role}, which needs capabilities.{need}"


def _deployment_problems(model: Model, deployment: Deployment) -> Iterator[tuple[str, str]]:
    provider = deployment.provider
    if provider == "embedded":
        yield from _embedded_problems(model, deployment)
        return
    if provider in _CHAT_PROVIDERS and not model.can("chat"):
        yield "provider", f"{provider} serves chat, but the model has no capabilities.chat"
    if provider == "tf_iqa" and not model.can("iqa"):
        yield "provider", "tf_iqa measures quality, but the model has no capabilities.iqa"
    yield from _address_problems(deployment)


def _embedded_problems(model: Model, deployment: Deployment) -> Iterator[tuple[str, str]]:
    for field in ("base_url", "api_key_env", "devices", "slots", "control_key_env"):
        if getattr(deployment, field):
            yield field, "must be left out: an embedded model runs within ImageWorks"
    if deployment.remote:
        yield "remote", "must be false: an embedded model runs within ImageWorks"
    if len(model.deployments) > 1:
        yield "provider", "embedded must be a model's only deployment: no server answers as its code does"


def _address_problems(deployment: Deployment) -> Iterator[tuple[str, str]]:
    if deployment.base_url is None:
        text = f"is missing; a {deployment.provider} server has an address such as http://host:8600"
        yield "base_url", text
        return
    problem = problem_with_template(deployment.base_url)
    if problem is not None:
        yield "base_url", problem
    elif not deployment.remote and not missing_variables(deployment.base_url, {}):
        url = expand(deployment.base_url, {})
        if not is_private(url):
            text = (
                f"must be true: {url} is outside this machine and its private network "
                "(photos go there only with IMAGEWORKS_ALLOW_REMOTE=true)"
            )
            yield "remote", text


def _parameter_problems(model: Model) -> Iterator[tuple[FieldPath, str]]:
    parameters, chat = model.parameters, model.capabilities.chat
    for name, limit in parameters.limits.items():
        path: FieldPath = ("parameters", "limits", name)
        if not KINDS[name].is_number:
            yield path, "cannot have limits: it is not a number"
        elif limit.min is not None and limit.max is not None and limit.min > limit.max:
            yield path, f"min {limit.min:g} is above max {limit.max:g}"
    for name, value in parameters.defaults.items():
        path = ("parameters", "defaults", name)
        problem = parameters.problem_with(name, value)
        if problem is not None:
            yield path, problem
        elif name not in parameters.allowed:
            yield path, "has a default but is not in parameters.allowed; add it there or drop the default"
        elif name == "max_output_tokens" and chat is not None and float(value) > chat.max_output_tokens:  # type: ignore[arg-type]
            yield path, f"is above capabilities.chat.max_output_tokens ({chat.max_output_tokens})"


def _device_problems(name: str, device: DeclaredDevice) -> Iterator[tuple[FieldPath, str]]:
    # A device that takes the name of this machine's memory and calls itself a card would come before all cards.
    if name == "host" and device.kind != "host":
        yield ("kind",), "must be host: this is the name of this machine's memory"
    prefix = _UUID_PREFIXES.get(device.kind)
    if device.uuid is not None and prefix is None:
        yield ("uuid",), "must be left out: a host's memory has none"
    elif device.uuid is not None and not device.uuid.startswith(str(prefix)):
        yield ("uuid",), f"must begin with {prefix} where kind is {device.kind}"
    if device.mig_profile is not None and device.kind != "mig":
        yield ("mig_profile",), "belongs to a slice; set kind: mig, or leave it out"
    if device.memory_mib is None and device.uuid is None and not is_of_every_machine(name):
        text = "is missing; only a device of this machine, by its own name or its uuid, can be asked for its memory"
        yield ("memory_mib",), text
