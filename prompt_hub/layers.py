"""The layers of profiles (base, application, user), merged by field as JSON Merge Patch (RFC 7396) does.

Files of different layers with the same id are one profile: a later layer's fields replace an earlier one's, mappings
are merged, lists and texts are replaced, and null takes a field away. `extends` names a profile to begin from; it is
the merged one, so a user's change to a parent reaches its children.
"""

from __future__ import annotations

import copy
import operator
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from prompt_hub.errors import FileProblem, ProfileCycle, ProfileFileError
from prompt_hub.profile_files import read_profile_file
from registry.nearest import did_you_mean
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prompt_hub.written_schemas import ProfileDocument
    from store.yaml_reading import FieldPath

Layer = Literal["base", "application", "user"]

SHIPPED = Path(__file__).parent / "profiles"
MAX_PARENTS = 16

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Origin:
    """Where a field was written.

    Attributes:
        layer: The layer that has the last word on it.
        file: The file's path.
        line: The line, counted from 1.
    """

    layer: Layer
    file: str
    line: int


@dataclass(frozen=True)
class LayeredProfile:
    """One profile, its layers and parents merged, not yet checked as a whole.

    Attributes:
        id: Its id.
        content: Its fields, partials apart from the texts that include them.
        origins: Where each field was written, by its path; () is the profile itself.
        removed: Where a field that is no more was taken away.
        touched_by_user: Whether the user's layer says anything of it or of a profile that it extends, be it only
            that a field is taken away.
    """

    id: str
    content: Mapping[str, Any]
    origins: Mapping[FieldPath, Origin]
    removed: Mapping[FieldPath, Origin]
    touched_by_user: bool

    def problem(self, place: FieldPath, text: str) -> FileProblem:
        """Set a problem to the file and line that its field, or the nearest around it, was written in."""
        for length in range(len(place), -1, -1):
            origin = self.origins.get(place[:length])
            if origin is not None:
                return FileProblem(origin.file, origin.line, field_text(place), f"{text} (profile {self.id})")
        raise AssertionError("a profile has an origin")

    def provenance(self) -> dict[str, str]:
        """The file of each field that holds no others, by its dotted name."""
        inner = {place[:-1] for place in self.origins if place}
        return {
            field_text(place): origin.file
            for place, origin in sorted(self.origins.items(), key=lambda item: field_text(item[0]))
            if place and place not in inner
        }


LayerFiles = tuple[Layer, tuple[Path, ...]]
"""A layer and its files. Of one id, no layer has two files."""


def layer_files(
    user_folder: Path | None, files: Iterable[Path] = (), *, more: Iterable[Path] = ()
) -> list[LayerFiles]:
    """All layers with their files, the lowest first.

    Args:
        user_folder: The user's layer; None, or a folder that does not exist, is an empty one.
        files: Files that stand above the user's layer, one after the other: those that somebody is trying out.
        more: Files that belong to the user's layer whether they are there or not.

    Raises:
        ProfileFileError: A folder cannot be listed.
    """
    return [
        ("base", _files(SHIPPED / "base")),
        ("application", tuple(file for folder in _application_folders() for file in _files(folder))),
        ("user", _with_more(_files(user_folder) if user_folder is not None else (), tuple(more))),
        *_each_above(files),
    ]


def _with_more(files: tuple[Path, ...], more: tuple[Path, ...]) -> tuple[Path, ...]:
    # To sort a thousand paths costs more than to list them, and they are sorted.
    return tuple(sorted({*files, *more})) if more else files


def _each_above(files: Iterable[Path]) -> Iterator[LayerFiles]:
    for file in files:
        yield "user", (file,)


@dataclass(frozen=True, eq=False)
class Merged:
    """A merged profile, with what tells whether merging again would give the same.

    Attributes:
        layers: The layer of each document.
        documents: What it was merged from, over its parent.
        parent: What it extends.
        profile: What came of it.
    """

    layers: tuple[Layer, ...]
    documents: tuple[ProfileDocument, ...]
    parent: Merged | None
    profile: LayeredProfile

    def is_of(
        self, layers: tuple[Layer, ...], documents: tuple[ProfileDocument, ...], parent: Merged | None
    ) -> bool:
        """Whether it was merged from these very documents: they are kept here, so no other can take their place."""
        return (
            self.layers == layers
            and self.parent is parent
            and len(self.documents) == len(documents)
            and all(map(operator.is_, self.documents, documents))
        )


def merged_profiles(
    layers: Iterable[LayerFiles],
    *,
    read: Callable[[Path], ProfileDocument | tuple[FileProblem, ...]] = read_profile_file,
    known: Mapping[str, Merged] = MappingProxyType({}),
) -> dict[str, Merged]:
    """Read all layers and merge them, by id in alphabetical order.

    Args:
        layers: As `layer_files` gives them.
        read: Reads a file.
        known: What was merged before from documents that `read` still gives; taken over where nothing has changed.

    Raises:
        ProfileFileError: A file is broken; all that is wrong in all files.
        ProfileCycle: Profiles extend one another in a circle.
    """
    written: dict[str, list[_Document]] = {}
    problems: list[FileProblem] = []
    for kind, paths in layers:
        problems.extend(_read_layer(kind, paths, written, read))
    if problems:
        raise ProfileFileError(tuple(problems))
    merging = _Merging(written, known)
    return {profile_id: merging.merged(profile_id, ()) for profile_id in sorted(written)}


def _application_folders() -> list[Path]:
    return sorted(folder for folder in SHIPPED.iterdir() if folder.is_dir() and folder.name != "base")


def _files(folder: Path) -> tuple[Path, ...]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a path for each of a thousand costs more than the listing
    except FileNotFoundError:
        return ()
    except OSError as error:
        problem = f"cannot be listed: {error.strerror or error}"
        raise ProfileFileError((FileProblem(str(folder), None, "", problem),)) from error
    return tuple(folder / name for name in names if name.endswith(_SUFFIXES) and not name.startswith("."))


def unread_files(user_folder: Path) -> tuple[Path, ...]:
    """What lies in the user's layer as if it were a profile, and is not read, as its name does not end in `.yaml`."""
    try:
        found = sorted(user_folder.iterdir())
    except OSError:
        return ()
    return tuple(
        path
        for path in found
        if not path.name.startswith(".")
        and not path.name.endswith((*_SUFFIXES, "~", ".md"))
        and path.is_file()
    )


def _read_layer(
    kind: Layer,
    paths: Iterable[Path],
    written: dict[str, list[_Document]],
    read: Callable[[Path], ProfileDocument | tuple[FileProblem, ...]],
) -> Iterator[FileProblem]:
    seen: dict[str, _Document] = {}
    for path in paths:
        found = read(path)
        if isinstance(found, tuple):
            yield from found
            continue
        document = _Document(kind, found)
        twin = seen.setdefault(document.id, document)
        if twin is not document:
            yield FileProblem(
                found.source,
                found.line_of(("id",)),
                "id",
                f"{document.id!r} is also in {twin.document.source}; give one of the two another id",
            )
            continue
        written.setdefault(document.id, []).append(document)


@dataclass(frozen=True)
class _Document:
    layer: Layer
    document: ProfileDocument

    @property
    def value(self) -> dict[str, Any]:
        value = self.document.value
        assert isinstance(value, dict)  # noqa: S101 - `read_profile_file` has checked it
        return value

    @property
    def id(self) -> str:
        return str(self.value["id"])

    def origin(self, place: FieldPath) -> Origin:
        return Origin(self.layer, self.document.source, self.document.line_of(place))


@dataclass
class _Merging:
    written: Mapping[str, list[_Document]]
    known: Mapping[str, Merged]
    done: dict[str, Merged] = field(default_factory=dict)

    def merged(self, profile_id: str, inside: tuple[str, ...]) -> Merged:
        if profile_id in inside:
            circle = (*inside[inside.index(profile_id) :], profile_id)
            raise ProfileCycle("Profiles extend one another in a circle", circle, self._step_of(circle))
        if profile_id not in self.done:
            self.done[profile_id] = self._merge(profile_id, (*inside, profile_id))
        return self.done[profile_id]

    def _merge(self, profile_id: str, inside: tuple[str, ...]) -> Merged:
        documents = self.written[profile_id]
        saying = [document for document in documents if "extends" in document.value]
        parent_id = saying[-1].value["extends"] if saying else None
        parent = None
        if parent_id is not None:
            self._check_parent(parent_id, saying[-1], inside)
            parent = self.merged(parent_id, inside)
        layers = tuple(document.layer for document in documents)
        yaml = tuple(document.document for document in documents)
        known = self.known.get(profile_id)
        if known is not None and known.is_of(layers, yaml, parent):
            return known
        laid = _laid(profile_id, documents, None if parent is None else parent.profile)
        return Merged(layers, yaml, parent, laid)

    def _step_of(self, circle: tuple[str, ...]) -> FileProblem:
        """Where a step of a circle is written: in a file of the user's, as those that are shipped make none."""
        steps = [
            document
            for profile_id in circle
            for document in self.written[profile_id]
            if "extends" in document.value
        ]
        origins = [document.origin(("extends",)) for document in steps]
        origin = next((one for one in origins if one.layer == "user"), origins[0])
        return FileProblem(origin.file, origin.line, "extends", "")

    def _check_parent(self, parent_id: str, document: _Document, inside: tuple[str, ...]) -> None:
        problem = None
        if parent_id not in self.written:
            hint = did_you_mean(parent_id, self.written)
            problem = f"there is no profile {parent_id!r}; {hint}there are {', '.join(sorted(self.written))}"
        elif len(inside) > MAX_PARENTS:
            problem = f"profiles extend one another more than {MAX_PARENTS} deep"
        if problem is not None:
            origin = document.origin(("extends",))
            raise ProfileFileError((FileProblem(origin.file, origin.line, "extends", problem),))


def _laid(profile_id: str, documents: list[_Document], parent: LayeredProfile | None) -> LayeredProfile:
    content: dict[str, Any] = {}
    origins: dict[FieldPath, Origin] = {}
    removed: dict[FieldPath, Origin] = {}
    touched = any(document.layer == "user" for document in documents)
    if parent is not None:
        content = copy.deepcopy(dict(parent.content))
        origins = dict(parent.origins)
        removed = dict(parent.removed)
        touched = touched or parent.touched_by_user
        for name in ("id", "extends"):
            content.pop(name, None)
            origins.pop((name,), None)
    for document in documents:
        origins[()] = document.origin(())
        _Laying(document, origins, removed).lay(content, document.value, ())
    return LayeredProfile(profile_id, content, origins, removed, touched)


@dataclass(frozen=True)
class _Laying:
    """One document laid over what is below it.

    Attributes:
        document: The document.
        origins: Where each field was written; noted here.
        removed: Where fields were taken away; noted here.
    """

    document: _Document
    origins: dict[FieldPath, Origin]
    removed: dict[FieldPath, Origin]

    def lay(self, below: dict[str, Any], above: Mapping[str, Any], place: FieldPath) -> None:
        """Lay `above` over `below`, both of the mapping at `place`, and note where each field is from."""
        for name, value in above.items():
            inner = (*place, name)
            merging = isinstance(value, dict) and isinstance(below.get(name), dict)
            if not merging or inner in self.document.document.whole:
                if name in below:
                    for known in [known for known in self.origins if known[: len(inner)] == inner]:
                        del self.origins[known]
                if value is None:
                    if below.pop(name, None) is not None:
                        self.removed[inner] = self.document.origin(inner)
                    continue
                below[name] = {} if isinstance(value, dict) else copy.deepcopy(value)
            self.origins[inner] = self.document.origin(inner)
            if isinstance(value, dict):
                self.lay(below[name], value, inner)
