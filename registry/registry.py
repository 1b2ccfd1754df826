"""The registry: every model there is, found by name, alias or role."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from registry.addresses import variables_of
from registry.checking import OWN_NAMES, check_device, check_model, is_of_every_machine
from registry.digests import digest
from registry.errors import FileProblem, MissingCapability, RegistryFileError, UnknownModel
from registry.layers import SHIPPED_MODELS, read_layers
from registry.nearest import did_you_mean, nearest
from registry.schema import NEEDS, ROLES, Model

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from registry.layers import Layer, Layered
    from registry.schema import DeclaredDevice, Deployment
    from store.yaml_reading import FieldPath


@dataclass(frozen=True, eq=False)
class Registry:
    """Every model, the roles, and where each field was said. Made by `Registry.load`.

    Attributes:
        models: model name → model, by name.
        roles: model role → name of the model that has it.
        devices: name → device that the operator declares; this machine's own need no declaring.
        version: SHA-256, in hex, of the effective registry as people declared it: the addresses are the raw text of
            the files, and embedded models count without their code, so that the version is the same on every machine
            that has the same files.
        provenance: the layer that set each field, such as ``models.tiny-vlm.roles`` → ``user``; a field that is not
            here has its default.
        unset: the fields that the user's file sets back to their defaults, by path.
        environ: the environment's variables, for addresses.
    """

    models: Mapping[str, Model]
    roles: Mapping[str, str]
    devices: Mapping[str, DeclaredDevice]
    version: str
    provenance: Mapping[str, Layer]
    unset: tuple[FieldPath, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls,
        user_file: Path | None,
        *,
        embedded: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Registry:
        """Read the shipped layer and the user's over it.

        Args:
            user_file: the user's `registry.yaml`; None, or a file that does not exist, is an empty layer.
            embedded: embedded model's name → digest of its code, which becomes its revision. Where it is given,
                every embedded model must be in it; elsewhere it must be one that is shipped.
            environ: the environment's variables, for addresses.

        Raises:
            RegistryFileError: a file is broken; the error names every problem with file, line and field.
        """
        layers = read_layers(user_file)
        models, problems = _checked_models(layers)
        devices, wrong_devices = _checked_devices(layers)
        problems += wrong_devices
        if not problems:
            problems = [
                *_name_problems(layers, models),
                *_checked_roles(layers, models),
                *_embedded_problems(layers, models, embedded or {}),
                *_placing_problems(layers, models, devices),
            ]
        if problems:
            raise RegistryFileError(
                tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
            )
        roles = {role: layers.roles[role] for role in ROLES if role in layers.roles}
        version = digest(
            {
                "models": {name: model.model_dump(mode="json") for name, model in models.items()},
                "roles": roles,
                "devices": {name: device.model_dump(mode="json") for name, device in devices.items()},
            }
        )
        for name, revision in (embedded or {}).items():
            models[name] = models[name].model_copy(update={"revision": revision})
        return cls(
            models=MappingProxyType(models),
            roles=MappingProxyType(roles),
            devices=MappingProxyType(devices),
            version=version,
            provenance=MappingProxyType(dict(layers.provenance)),
            unset=layers.unset,
            environ=MappingProxyType(dict(environ)),
        )

    @property
    def variables(self) -> frozenset[str]:
        """The environment's variables that deployments' addresses and keys are read from."""
        deployments = [deployment for model in self.models.values() for deployment in model.deployments]
        return frozenset().union(
            *(variables_of(deployment.base_url) for deployment in deployments if deployment.base_url),
            (deployment.api_key_env for deployment in deployments if deployment.api_key_env),
            (deployment.control_key_env for deployment in deployments if deployment.control_key_env),
        )

    def resolve(self, name: str, *, needs: Collection[str] = ()) -> Model:
        """Find a model by its name, an alias, or a model role.

        Args:
            name: what the caller says; names come before aliases, aliases before roles.
            needs: capabilities that the model must have: ``chat``, ``vision``, ``iqa``, ``structured_output``.

        Raises:
            UnknownModel: nothing has this name; the error tells the nearest names.
            MissingCapability: the model lacks one of `needs`; the error names the models that have them all.
            ValueError: one of `needs` is no capability.
        """
        model = self._find(name)
        if model is None:
            raise UnknownModel(name, nearest(name, self._names()), tuple(self.models))
        wanted = sorted(set(needs), key=lambda need: NEEDS.index(need) if need in NEEDS else -1)
        missing = tuple(need for need in wanted if not model.can(need))
        if missing:
            able = tuple(
                other.name
                for other in self.models.values()
                if not other.deprecated and all(other.can(need) for need in wanted)
            )
            raise MissingCapability(model.name, missing, able)
        return model

    def model_revision(self, name: str) -> str:
        """Give the model revision of a model by its name, an alias, or a model role.

        Raises:
            UnknownModel: nothing has this name.
        """
        return self.resolve(name).model_revision

    def url(self, deployment: Deployment) -> str:
        """Give a deployment's address in this registry's environment.

        Raises:
            BadDeploymentUrl: it cannot be used; see `Deployment.url`.
        """
        return deployment.url(self.environ)

    def effective(self) -> dict[str, object]:
        """Give the effective registry as plain JSON values, in the form of a user's `registry.yaml`.

        Loaded as the user's layer, it gives this registry again: what the user took away from the shipped layer
        stands as null. Embedded models are as loaded: where their code's digest was handed in, it is their revision.
        """
        tree: dict[str, Any] = {
            "roles": dict(self.roles),
            "models": {name: model.model_dump(mode="json") for name, model in self.models.items()},
            "devices": {name: device.model_dump(mode="json") for name, device in self.devices.items()},
        }
        for path in self.unset:
            around: Any = tree
            for step in path[:-1]:
                around = around.get(step) if isinstance(around, dict) else None
            if isinstance(around, dict):
                around.setdefault(path[-1], None)
        return tree

    def _find(self, name: str) -> Model | None:
        if name in self.models:
            return self.models[name]
        for model in self.models.values():
            if name in model.aliases:
                return model
        return self.models[self.roles[name]] if name in self.roles else None

    def _names(self) -> Iterator[str]:
        yield from self.models
        for model in self.models.values():
            yield from model.aliases
        yield from self.roles


def _checked_models(layers: Layered) -> tuple[dict[str, Model], list[FileProblem]]:
    models: dict[str, Model] = {}
    problems: list[FileProblem] = []
    for name in sorted(layers.models):
        model, found = check_model(layers.models[name])
        problems += [layers.problem(("models", name, *path), text) for path, text in found]
        if model is not None:
            models[name] = model
    return models, problems


def _checked_devices(layers: Layered) -> tuple[dict[str, DeclaredDevice], list[FileProblem]]:
    devices: dict[str, DeclaredDevice] = {}
    problems: list[FileProblem] = []
    by_uuid: dict[str, str] = {}
    for name in sorted(layers.devices):
        device, found = check_device(name, layers.devices[name])
        problems += [layers.problem(("devices", name, *path), text) for path, text in found]
        if device is None:
            continue
        devices[name] = device
        if device.uuid is not None and by_uuid.setdefault(device.uuid, name) != name:
            text = f"is that of {by_uuid[device.uuid]} too; a device has one name"
            problems.append(layers.problem(("devices", name, "uuid"), text))
    return devices, problems


def _placing_problems(
    layers: Layered, models: Mapping[str, Model], devices: Mapping[str, DeclaredDevice]
) -> Iterator[FileProblem]:
    for model in models.values():
        for index, deployment in enumerate(model.deployments):
            for place, name in enumerate(deployment.devices):
                if name in devices or is_of_every_machine(name):
                    continue
                declared = ", ".join(devices) or "none"
                text = (
                    f"there is no device {name}; {did_you_mean(name, (*devices, *OWN_NAMES))}this machine's are "
                    f"{', '.join(OWN_NAMES)} and so on, and declared are {declared}"
                )
                yield layers.problem(("models", model.name, "deployments", index, "devices", place), text)


def _name_problems(layers: Layered, models: Mapping[str, Model]) -> Iterator[FileProblem]:
    taken = {name: name for name in models} | {role: f"the role {role}" for role in ROLES}
    # Shipped aliases first, so that a clash is told of the user's.
    for model in sorted(models.values(), key=lambda model: _aliases_layer(layers, model) == "user"):
        for alias in model.aliases:
            if alias in taken:
                text = f"{alias} is already taken by {taken[alias]}; choose another alias"
                yield layers.problem(("models", model.name, "aliases"), text)
            taken[alias] = model.name


def _aliases_layer(layers: Layered, model: Model) -> str:
    origin = layers.origins.get(("models", model.name, "aliases"))
    return origin.layer if origin is not None else ""


def _checked_roles(layers: Layered, models: Mapping[str, Model]) -> Iterator[FileProblem]:
    for role, name in layers.roles.items():
        path = ("roles", role)
        if role not in ROLES:
            hint = did_you_mean(role, ROLES)
            yield layers.problem(path, f"is no model role; {hint}roles are {', '.join(ROLES)}")
        elif not isinstance(name, str):
            yield layers.problem(path, "must be the name of a model")
        elif name not in models:
            text = f"there is no model {name}; {did_you_mean(name, models)}models are {', '.join(models)}"
            yield layers.problem(path, text)
        elif role not in models[name].roles:
            able = ", ".join(model.name for model in models.values() if role in model.roles) or "no model"
            text = f"{name} may not have this role; add {role} to models.{name}.roles, or choose from: {able}"
            yield layers.problem(path, text)


def _embedded_problems(
    layers: Layered, models: Mapping[str, Model], embedded: Mapping[str, str]
) -> Iterator[FileProblem]:
    # Whoever does not know the code knows at least whose there is.
    coded = list(embedded) or [
        model.name
        for model in models.values()
        if model.is_embedded and (SHIPPED_MODELS / f"{model.name}.yaml").exists()
    ]
    for name in embedded:
        if name not in models or not models[name].is_embedded:
            yield layers.problem(("models", name), "has code in ImageWorks and must be an embedded model")
    for model in models.values():
        if model.is_embedded and model.name not in coded:
            text = (
                f"embedded needs code, and only {', '.join(coded)} have it; use the name of one, or a server"
            )
            yield layers.problem(("models", model.name, "deployments", 0, "provider"), text)
