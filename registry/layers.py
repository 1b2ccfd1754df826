"""The layers of the registry: what is shipped, then the user's file, merged by field with provenance.

Mappings are merged by field. A list replaces the list below it, but a deployment takes what it does not say from
the deployment of the same name below. A field set to null goes back to its default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from registry.errors import FileProblem, RegistryFileError
from registry.nearest import did_you_mean
from store.yaml_reading import YamlError, field_text, read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.yaml_reading import FieldPath, YamlDocument

Layer = Literal["shipped", "user"]

SHIPPED_MODELS = Path(__file__).parent / "models"
SHIPPED_ROLES = Path(__file__).parent / "roles.yaml"

_SECTIONS = ("roles", "models", "devices")


@dataclass(frozen=True)
class Origin:
    """Where a field was written.

    Attributes:
        layer: the layer that has the last word on the field.
        file: the file's path.
        line: the line, counted from 1.
        above: how many leading steps of the field's path the file leaves out (a shipped model's file holds that model
            alone).
    """

    layer: Layer
    file: str
    line: int
    above: int


@dataclass(frozen=True)
class Layered:
    """The layers merged into plain values, not yet checked against the schema.

    Attributes:
        models: model name → its fields.
        roles: model role → model name.
        devices: device name → its fields; none are shipped.
        origins: where each field was written, by its path: ``("models", name, …)``, ``("devices", name, …)`` or
            ``("roles", role)``.
        provenance: the layer of each field that a file sets and that holds no others, by its dotted name.
        unset: the fields that the user's file sets to null.
    """

    models: Mapping[str, Any]
    roles: Mapping[str, Any]
    devices: Mapping[str, Any]
    origins: Mapping[FieldPath, Origin]
    provenance: Mapping[str, Layer]
    unset: tuple[FieldPath, ...]

    def problem(self, path: FieldPath, text: str) -> FileProblem:
        """Place a problem in the file, line and field where it was written."""
        for length in range(len(path), -1, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return FileProblem(origin.file, origin.line, field_text(path[origin.above :]), text)
        return FileProblem(str(SHIPPED_ROLES), None, field_text(path), text)


def read_layers(user_file: Path | None) -> Layered:
    """Read and merge the shipped layer and the user's file.

    Args:
        user_file: the user's layer; None, or a file that does not exist, is an empty layer.

    Raises:
        RegistryFileError: a file is not strict YAML, or not a registry in its outline.
    """
    models: dict[str, _Written] = {}
    for path in sorted(SHIPPED_MODELS.glob("*.yaml")):
        shipped = _Document(_read(path), "shipped", above=2)
        models[path.stem] = _over(None, shipped.model((), path.stem))
    root = _Document(_read(SHIPPED_ROLES), "shipped", above=1)
    roles = _over(None, root.mapping(()))
    top = roles.origin
    devices = _Written({}, top)
    unset: tuple[FieldPath, ...] = ()
    # A dangling link is a mistake to be told about, not an absent layer.
    if user_file is not None and os.path.lexists(user_file):
        user = _Document(_read(user_file), "user", above=0)
        top = user.origin(())
        unset = tuple(_nulls(user.document.value, ()))
        for section in user.sections():
            if section == "roles":
                roles = _over(roles, user.mapping(("roles",)))
                continue
            if section == "devices":
                devices = _over(devices, user.mapping(("devices",)))
                continue
            for name in user.mapping(("models",)).value:
                models[name] = _over(models.get(name), user.model(("models", name), name))
    tree = _Written({"models": _Written(models, top), "roles": roles, "devices": devices}, top)
    origins = dict(_origins(tree, ()))
    return Layered(
        models=_plain(tree.value["models"]),
        roles=_plain(roles),
        devices=_plain(devices),
        origins=origins,
        provenance={
            field_text(path): origins[path].layer
            for path in sorted(origins, key=field_text)
            if _is_leaf(tree, path)
        },
        unset=unset,
    )


def _read(path: Path) -> YamlDocument:
    try:
        return read_yaml_document(path)
    except YamlError as error:
        raise RegistryFileError(
            (FileProblem(error.source, error.line, error.field, error.problem),)
        ) from error


@dataclass(frozen=True)
class _Written:
    """A value with its place: a mapping or list of such values, or a plain scalar."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class _Document:
    """A file as written values."""

    document: YamlDocument
    layer: Layer
    above: int

    def origin(self, path: FieldPath) -> Origin:
        return Origin(self.layer, self.document.source, self.document.line_of(path), self.above)

    def mapping(self, path: FieldPath) -> _Written:
        value: Any = self.document.value
        for step in path:
            value = value[step]
        if not isinstance(value, dict):
            raise self._error(path, "must be a mapping of names to values")
        return self._written(value, path)

    def model(self, path: FieldPath, name: str) -> _Written:
        """Take a model's fields, its name among them."""
        written = self.mapping(path)
        said = written.value.setdefault("name", _Written(name, self.origin(path)))
        if said.value != name:
            raise self._error((*path, "name"), f"must be {name}, or be left out")
        return written

    def sections(self) -> tuple[str, ...]:
        """Name the sections that say something."""
        if self.document.value is None:
            return ()
        sections = self.mapping(()).value
        for section in sections:
            if section not in _SECTIONS:
                hint = did_you_mean(section, _SECTIONS)
                raise self._error(
                    (section,), f"is no section of a registry; {hint}sections are {', '.join(_SECTIONS)}"
                )
        return tuple(section for section, written in sections.items() if written.value is not None)

    def _written(self, value: Any, path: FieldPath) -> _Written:
        if isinstance(value, dict):
            value = {key: self._written(inner, (*path, key)) for key, inner in value.items()}
        elif isinstance(value, list):
            value = [self._written(inner, (*path, index)) for index, inner in enumerate(value)]
        return _Written(value, self.origin(path))

    def _error(self, path: FieldPath, text: str) -> RegistryFileError:
        problem = FileProblem(self.document.source, self.document.line_of(path), field_text(path), text)
        return RegistryFileError((problem,))


def _over(lower: _Written | None, upper: _Written, key: str = "") -> _Written:
    """Lay one value over another."""
    if isinstance(upper.value, dict):
        merged = dict(lower.value) if lower is not None and isinstance(lower.value, dict) else {}
        for name, value in upper.value.items():
            if value.value is None:
                merged.pop(name, None)
            else:
                merged[name] = _over(merged.get(name), value, name)
        return _Written(merged, upper.origin)
    if isinstance(upper.value, list) and key == "deployments":
        below = _by_name(lower)
        return _Written([_over(below.get(_name(item)), item) for item in upper.value], upper.origin)
    return upper


def _by_name(deployments: _Written | None) -> dict[object, _Written]:
    if deployments is None or not isinstance(deployments.value, list):
        return {}
    return {_name(item): item for item in deployments.value if _name(item) is not None}


def _name(deployment: _Written) -> object:
    name = deployment.value.get("name") if isinstance(deployment.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) else None


def _plain(written: _Written) -> Any:
    if isinstance(written.value, dict):
        return {key: _plain(value) for key, value in written.value.items()}
    if isinstance(written.value, list):
        return [_plain(value) for value in written.value]
    return written.value


def _children(written: _Written) -> Iterator[tuple[str | int, _Written]]:
    if isinstance(written.value, dict):
        yield from written.value.items()
    elif isinstance(written.value, list):
        yield from enumerate(written.value)


def _nulls(value: object, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, (*path, key))
    elif value is None:
        yield path


def _origins(written: _Written, path: FieldPath) -> Iterator[tuple[FieldPath, Origin]]:
    yield path, written.origin
    for step, inner in _children(written):
        yield from _origins(inner, (*path, step))


def _is_leaf(tree: _Written, path: FieldPath) -> bool:
    """Tell whether a field holds no mappings and stands in no list of plain values."""
    written = tree
    for step in path:
        if isinstance(written.value, list) and not isinstance(written.value[step].value, dict):  # type: ignore[index]
            return False
        written = written.value[step]
    if isinstance(written.value, list):
        return not any(isinstance(item.value, dict) for item in written.value)
    return not isinstance(written.value, dict)
