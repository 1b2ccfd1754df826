"""Files of prompt tests: sets of tests of one profile, read strictly."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from prompt_hub.errors import CaseFileError, FileProblem, NothingToTest
from prompt_hub.layers import SHIPPED
from prompt_hub.schema import ProfileId, StageName
from prompt_hub.testing.assertions import STATIC_TYPES, TYPES, Assertion, Python, Rubric
from registry.digests import digest
from registry.nearest import did_you_mean
from store.yaml_reading import FieldPath, YamlDocument, YamlError, field_text, read_yaml_document

MAX_REPEAT: Final = 50
MAX_PHOTO_BYTES: Final = 32 * 1024 * 1024
FOLDER: Final = "tests"
PHOTOS: Final = "photos"
PRODUCTION: Final = "production"
"""The label that runs usually ask by."""
_SLIP: Final = 0.85
"""Of `difflib`'s ratio: a letter too much or too few, or two that changed places; `reduction` is another word."""

Mode = Literal["live", "static"]
SetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
PhotoName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_LIVE_OPTIONS: Final = ("models", "repeat", "grader")


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Case(_Written):
    """One test: a question to a stage, and what is asserted of it.

    Attributes:
        description: Its name; no other test of the set has it.
        stage: The profile stage.
        vars: Values of the stage's variables.
        photos: Names of files in the folder `photos` beside the test file, in the order in which they are shown.
        asserts: What has to be so.
    """

    description: Sentence
    stage: StageName
    vars: dict[str, JsonValue] = Field(default_factory=dict)
    photos: Annotated[list[PhotoName], Field(max_length=16)] = Field(default_factory=list)
    # `assert` is a word of Python's.
    asserts: Annotated[list[Assertion], Field(alias="assert", min_length=1, max_length=100)]


class WrittenSet(_Written):
    """A set as it is written; see `CaseSet`."""

    mode: Mode
    required_for: list[LabelName] = Field(default_factory=list)
    models: Annotated[list[ModelName], Field(min_length=1, max_length=50)] | None = None
    grader: ModelName | None = None
    repeat: Annotated[int, Field(ge=1, le=MAX_REPEAT)] = 1
    threshold: Annotated[float, Field(gt=0, le=1)] = 1.0
    tests: Annotated[list[Case], Field(min_length=1, max_length=1000)]


class WrittenFile(_Written):
    """A test file as it is written."""

    profile: ProfileId
    sets: Annotated[dict[SetName, WrittenSet], Field(min_length=1)]


@dataclass(frozen=True)
class CaseSet:
    """A set of tests of one profile.

    Attributes:
        profile_id: The profile.
        name: The set's name within the profile.
        written: What its file says of it.
        folder: The folder of its file; photos and functions are found from there.
        by_user: Whether its file is the user's: functions of others are never run.
        place: Its file and line, for people.
    """

    profile_id: str
    name: str
    written: WrittenSet
    folder: Path
    by_user: bool
    place: str

    @property
    def file(self) -> Path:
        """The file that it stands in."""
        return Path(self.place.rpartition(":")[0])

    @property
    def is_live(self) -> bool:
        """Whether a model is asked."""
        return self.written.mode == "live"

    def photo(self, name: str) -> Path:
        """Where a photo of its tests lies."""
        return self.folder / PHOTOS / name

    @cached_property
    def hash(self) -> str:
        """`set_hash`: SHA-256 of what is run, with the bytes of its photos and functions.

        Which labels require it and which models it names are left out: they do not change what one model is asked.
        """
        said = self.written.model_dump(mode="json", by_alias=True, exclude={"required_for", "models"})
        names = {name for case in self.written.tests for name in case.photos}
        photos = {name: _file_digest(self.photo(name)) for name in sorted(names)}
        files = {file: _file_digest(self.folder / file) for file in sorted(self._function_files())}
        return digest({"profile": self.profile_id, "set": said, "photos": photos, "functions": files})

    def hash_with(self, grader: tuple[str, str] | None) -> str:
        """`set_hash` of what is kept of a run: a grader of another revision may judge otherwise.

        Args:
            grader: Name and revision of the model that graded; None where none did.
        """
        return self.hash if grader is None else digest({"set": self.hash, "grader": list(grader)})

    def _function_files(self) -> set[str]:
        asserts = (one for case in self.written.tests for one in case.asserts)
        return {one.value.partition(":")[0] for one in asserts if isinstance(one, Python)}


def load_case_sets(prompts_folder: Path | None, profile_ids: Collection[str] | None = None) -> list[CaseSet]:
    """All sets, the shipped ones and the user's; a set of the user's stands in for a shipped one of its name.

    Args:
        prompts_folder: The user's layer of profiles, whose folder `tests` has the test files; None for none.
        profile_ids: The profiles that there are: a file for another tests nothing, and is broken. None where nobody
            relies on what is tested.

    Raises:
        CaseFileError: A file is broken; all that is wrong in all files.
    """
    problems: list[FileProblem] = []
    found: dict[tuple[str, str], CaseSet] = {}
    shipped = sorted(folder / FOLDER for folder in SHIPPED.iterdir() if folder.is_dir())
    layers = [[file for folder in shipped for file in _files(folder)]]
    layers.append([] if prompts_folder is None else _files(prompts_folder / FOLDER))
    for by_user, files in zip((False, True), layers, strict=True):
        layer: dict[tuple[str, str], CaseSet] = {}
        for path in files:
            read = read_case_file(path, by_user=by_user)
            if isinstance(read, tuple):
                problems.extend(read)
                continue
            for one in read:
                twin = layer.setdefault((one.profile_id, one.name), one)
                if twin is not one:
                    problem = f"profile {one.profile_id!r} has a set {one.name!r} in {twin.place} already"
                    problems.append(FileProblem(str(path), None, f"sets.{one.name}", problem))
        found.update(layer)
    if profile_ids is not None:
        problems.extend(_orphans(found.values(), profile_ids))
    if problems:
        raise CaseFileError(tuple(problems))
    return [found[key] for key in sorted(found)]


def _orphans(sets: Iterable[CaseSet], profile_ids: Collection[str]) -> Iterator[FileProblem]:
    """The files of profiles that are not there."""
    unknown = {one.file: one.profile_id for one in sets if one.profile_id not in profile_ids}
    for file, profile_id in unknown.items():
        problem = (
            f"there is no profile {profile_id!r}; {did_you_mean(profile_id, profile_ids)}there are "
            f"{', '.join(sorted(profile_ids))}"
        )
        yield FileProblem(str(file), read_yaml_document(file).line_of(("profile",)), "profile", problem)


def sets_by_profile(
    sets: Iterable[CaseSet], profile_ids: Iterable[str], names: Collection[str] = ()
) -> dict[str, list[CaseSet]]:
    """The sets of each profile, or those of them with these names.

    Raises:
        NothingToTest: None of the profiles has a set of such a name.
    """
    ids = dict.fromkeys(profile_ids)
    own = [one for one in sets if one.profile_id in ids]
    unknown = sorted(set(names) - {one.name for one in own})
    if unknown:
        known = ", ".join(sorted({one.name for one in own})) or "none"
        raise NothingToTest(
            f"No set {', '.join(unknown)} of tests is there for {', '.join(ids)}. Their sets are: {known}."
        )
    chosen = [one for one in own if not names or one.name in names]
    return {profile_id: [one for one in chosen if one.profile_id == profile_id] for profile_id in ids}


def read_case_file(path: Path, *, by_user: bool) -> list[CaseSet] | tuple[FileProblem, ...]:
    """Read one file: its sets, or what is wrong with it."""
    try:
        document = read_yaml_document(path)
    except YamlError as error:
        return (FileProblem(error.source, error.line, error.field, error.problem),)
    try:
        written = WrittenFile.model_validate(document.value)
    except ValidationError as error:
        return tuple(_problem(document, place, text) for place, text in _validation_problems(error, document))
    problems = tuple(
        _problem(document, place, text)
        for place, text in _further_problems(written, path.parent, by_user=by_user)
    )
    return problems or [
        CaseSet(
            profile_id=written.profile,
            name=name,
            written=one,
            folder=path.parent,
            by_user=by_user,
            place=f"{path}:{document.line_of(('sets', name))}",
        )
        for name, one in written.sets.items()
    ]


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problem = f"cannot be listed: {error.strerror or error}"
        raise CaseFileError((FileProblem(str(folder), None, "", problem),)) from error
    return [path for path in found if path.suffix in _SUFFIXES and not path.name.startswith(".")]


def _further_problems(
    written: WrittenFile, folder: Path, *, by_user: bool
) -> Iterator[tuple[FieldPath, str]]:
    """What is wrong with a file whose every field is right by itself."""
    for name, one in written.sets.items():
        place: FieldPath = ("sets", name)
        yield from _unused(one, place)
        yield from _misspelled(one, place)
        seen: set[str] = set()
        for index, case in enumerate(one.tests):
            inner = (*place, "tests", index)
            if case.description in seen:
                yield (*inner, "description"), "is the name of another test of this set"
            seen.add(case.description)
            for number, photo in enumerate(case.photos):
                problem = _file_problem(folder / PHOTOS / photo, folder / PHOTOS)
                if problem:
                    yield (*inner, "photos", number), problem
            for number, assertion in enumerate(case.asserts):
                problem = _assertion_problem(one, assertion, folder, by_user=by_user)
                if problem:
                    yield (*inner, "assert", number, "type"), problem


def _misspelled(one: WrittenSet, place: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Words that are the usual label but for a slip: nothing would be required for it.

    Any other word, such as `production-eu`, may be a label that is still to be made.
    """
    for number, label in enumerate(one.required_for):
        near = difflib.get_close_matches(label, (PRODUCTION,), n=1, cutoff=_SLIP)
        if label.isalpha() and label != PRODUCTION and near:
            yield (*place, "required_for", number), f"{label!r} is no label; did you mean {PRODUCTION}?"


def _unused(one: WrittenSet, place: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if one.mode == "static":
        for option in _LIVE_OPTIONS:
            if option in one.model_fields_set:
                yield (*place, option), "is for live sets; a static one asks no model"
    elif one.required_for and one.models is None:
        yield (*place, "required_for"), "needs models: say with which ones a live set has to pass"
    rubrics = any(isinstance(check, Rubric) for case in one.tests for check in case.asserts)
    if one.grader is not None and not rubrics and one.mode == "live":
        yield (*place, "grader"), "is not used: no test of the set has a rubric"


def _assertion_problem(one: WrittenSet, assertion: Assertion, folder: Path, *, by_user: bool) -> str | None:
    if one.mode == "static" and assertion.type not in STATIC_TYPES:
        return (
            f"is about an answer, and a static set has none; of prompts there are {', '.join(STATIC_TYPES)}"
        )
    if one.mode == "static" and getattr(assertion, "field", None) not in (None, "system", "user"):
        return "has a field that no prompt has; those are system and user"
    if isinstance(assertion, Rubric) and one.grader is None:
        return "needs a grader: name the model that reads answers in the set's field grader"
    if isinstance(assertion, Python):
        if not by_user:
            return "runs a function, and those in the user's own tests folder alone are run"
        return _file_problem(folder / assertion.value.partition(":")[0], folder)
    return None


def _file_problem(path: Path, folder: Path) -> str | None:
    try:
        # A link may lead anywhere.
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            return f"leads out of {folder}"
        if not path.is_file():
            return f"is no file: {path}"
        if path.stat().st_size > MAX_PHOTO_BYTES:
            return f"is larger than {MAX_PHOTO_BYTES // 1024 // 1024} MiB: {path}"
    except (OSError, RuntimeError) as error:
        return f"cannot be found: {path} ({getattr(error, 'strerror', None) or error})"
    return None


def _file_digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise CaseFileError((FileProblem(str(path), None, "", problem),)) from error


def _problem(document: YamlDocument, place: FieldPath, text: str) -> FileProblem:
    return FileProblem(document.source, document.line_of(place), field_text(place), text)


def _validation_problems(error: ValidationError, document: YamlDocument) -> Iterator[tuple[FieldPath, str]]:
    for found in error.errors(include_url=False):
        place = _written_place(found["loc"])
        if found["type"] == "union_tag_invalid":
            place = (*place, "type")
        yield place, _in_words(found, place, document)


def _written_place(loc: tuple[int | str, ...]) -> FieldPath:
    """Where it is written: without the steps that pydantic adds for alternatives and keys."""
    place: list[int | str] = []
    for step in loc:
        if step == "[key]" or (place[-2:-1] == ["assert"] and isinstance(place[-1], int) and step in TYPES):
            continue
        place.append(step)
    return tuple(place)


_ALWAYS: Final = {
    "missing": "is missing",
    "union_tag_not_found": f"needs a type, one of {', '.join(TYPES)}",
}
_FIELDS: Final[Mapping[int, type[BaseModel]]] = {1: WrittenFile, 3: WrittenSet, 5: Case}


def _in_words(found: Mapping[str, Any], place: FieldPath, document: YamlDocument) -> str:
    kind = found["type"]
    if kind == "extra_forbidden":
        known = list(_known(place, document))
        return f"is not a field here; {did_you_mean(str(place[-1]), known)}fields are {', '.join(known)}"
    if kind in _ALWAYS:
        return _ALWAYS[kind]
    if kind == "union_tag_invalid":
        tag = str(found["ctx"]["tag"])
        return f"{tag!r} is no type; {did_you_mean(tag, TYPES)}types are {', '.join(TYPES)}"
    if kind == "value_error":
        return str(found["ctx"]["error"])
    if kind == "string_pattern_mismatch":
        return f"cannot be named so; names fit {found['ctx']['pattern']}"
    message = str(found["msg"])
    return message[0].lower() + message[1:]


def _known(place: FieldPath, document: YamlDocument) -> Iterable[str]:
    shape = _FIELDS.get(len(place))
    if shape is not None:
        return (field.alias or name for name, field in shape.model_fields.items())
    value: Any = document.value
    for step in place[:-1]:
        value = value[step]
    return TYPES[value["type"]]
