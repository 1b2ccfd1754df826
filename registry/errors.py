"""What can go wrong with models.

RegistryError
├── RegistryFileError       a file of the registry is broken
├── UnknownModel            no model, alias or role has this name
├── MissingCapability       the model cannot do what is needed
├── BadDeploymentUrl        a deployment's address cannot be used in this environment
└── ServerSilent            a server that was asked what it has does not say it
"""

from __future__ import annotations

from dataclasses import dataclass


class RegistryError(Exception):
    """Anything that this package raises on its own account."""


@dataclass(frozen=True)
class FileProblem:
    """One thing that is wrong in a file of the registry.

    Attributes:
        file: the file's path.
        line: the line, counted from 1; None where the trouble has no place.
        field: the field as it stands in that file, such as ``models.tiny-vlm.deployments[0].base_url``; may be "".
        problem: what is wrong, and what to do.
    """

    file: str
    line: int | None
    field: str
    problem: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.problem}" if self.field else f"{place}: {self.problem}"


class RegistryFileError(RegistryError):
    """A file of the registry is broken; nothing of it is used.

    Attributes:
        problems: everything that was found wrong, at least one, in the order of files and lines.
        file: the first problem's file.
        line: the first problem's line.
        field: the first problem's field.
    """

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.file = problems[0].file
        self.line = problems[0].line
        self.field = problems[0].field

    def __reduce__(self) -> tuple[type[RegistryFileError], tuple[tuple[FileProblem, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return RegistryFileError, (self.problems,)


class UnknownModel(RegistryError):
    """No model, alias or role has this name.

    Attributes:
        name: what was asked for.
        nearest: known names that look like it, best first; may be empty.
    """

    def __init__(self, name: str, nearest: tuple[str, ...], known: tuple[str, ...]) -> None:
        hint = f"Did you mean {_either(nearest)}?" if nearest else f"Known models: {', '.join(known)}."
        super().__init__(
            f"No model, alias or role is called {name!r}. {hint} `python -m registry list` shows them all."
        )
        self.name = name
        self.nearest = nearest
        self.known = known

    def __reduce__(self) -> tuple[type[UnknownModel], tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return UnknownModel, (self.name, self.nearest, self.known)


class MissingCapability(RegistryError):
    """The model cannot do what is needed.

    Attributes:
        model: the model's name.
        missing: the capabilities that it lacks.
        able: names of the models that have everything that is needed; may be empty.
    """

    def __init__(self, model: str, missing: tuple[str, ...], able: tuple[str, ...]) -> None:
        others = f"These models can: {', '.join(able)}." if able else "No model in the registry can."
        super().__init__(
            f"The model {model} cannot do {' and '.join(missing)}, which is needed here. {others}"
        )
        self.model = model
        self.missing = missing
        self.able = able

    def __reduce__(self) -> tuple[type[MissingCapability], tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return MissingCapability, (self.model, self.missing, self.able)


class BadDeploymentUrl(RegistryError):
    """A deployment's address cannot be used in this environment."""


class ServerSilent(RegistryError):
    """A server that was asked what it has does not answer, or is none that is known here."""


def _either(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
