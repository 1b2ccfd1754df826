"""What can go wrong with prompts.

PromptHubError
├── ProfileFileError        a profile's file is broken: names file, line and field
├── ProfileCycle            profiles extend one another in a circle, or partials include one another
├── EditError               a profile's file cannot be saved; what is there is untouched
│   ├── BadProfileId            a text that is no id, so no file is named by it
│   ├── FileMoved               somebody else changed the file meanwhile
│   └── NoEditor                no editor is named, or it ended with an error
├── UnknownProfile          no profile has this id
├── UnknownStage            the profile has no such stage
├── TemplateRefused         a template's text does what templates may not, or cannot be read
├── RenderError             a prompt cannot be made; nothing is sent
│   ├── VariablesRefused        a variable is missing, not declared, not plain JSON, or misses its schema
│   └── RenderLimit             a template prints or loops more than it may
├── BadReference            a text names no prompt
│   └── BadSplit                a text splits photos between revisions in no way that can be done
├── CompositionFileError    a composition's file is broken, or fits no profile: names file, line and field
├── UnknownComposition      no composition has this id
├── NobodyToAsk             a composition's node names no model, and no role is asked by its stage
├── CaseFileError           a file of prompt tests is broken: names file, line and field
├── NothingToTest           no set of tests is meant, or none of this name
├── ReadsNoPrompt           a model answers by rule, so it cannot test a prompt
├── ImportRefused           a prompt of another tool cannot be carried over as it is
├── WouldOverwrite          something is there already, and nobody said to replace it
├── ImprovingError          something about a prompt that is to be improved by machine
│   ├── BadExamples             the examples cannot be read, or one of them cannot be asked about
│   ├── BadMetric               nobody can measure so
│   ├── NothingToChange         no text of the stage may be changed
│   ├── OptimizerMissing        the optimizer is not installed
│   └── BudgetTooSmall          the requests that are allowed do not even measure the prompt as it is
├── RevisionError           something about what the state database keeps of a profile
│   ├── UnknownRevision         no revision has such a hash
│   ├── AmbiguousRevision       several revisions have hashes that begin so
│   ├── DamagedRevision         what is kept is not what was
│   ├── UnknownLabel            the profile has no such label
│   ├── BadLabel                a text that cannot name a label
│   ├── LabelMoved              somebody else moved the label meanwhile
│   ├── NothingToRollBack       the label was never moved
│   └── PromotionRefused        the revision does not meet what the label requires
└── AccessError             something about who may do what
    ├── AccessRefused           the role is missing; it is kept and logged
    ├── UnknownRole             there is no such role
    └── LastAdmin               nobody would be left who may give roles
"""

from __future__ import annotations

from dataclasses import dataclass


class PromptHubError(Exception):
    """Anything that this package raises on its own account."""


@dataclass(frozen=True)
class FileProblem:
    """One thing that is wrong in a profile's file.

    Attributes:
        file: The file's path.
        line: The line, counted from 1; None where the trouble has no place.
        field: The field, such as `stages.critique.user`; may be "".
        problem: What is wrong, and what to do.
    """

    file: str
    line: int | None
    field: str
    problem: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.problem}" if self.field else f"{place}: {self.problem}"


class ProfileFileError(PromptHubError):
    """A profile's file is broken; nothing of the hub is used.

    Attributes:
        problems: Everything that was found wrong, at least one.
    """

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[ProfileFileError], tuple[tuple[FileProblem, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return ProfileFileError, (self.problems,)


class ProfileCycle(PromptHubError):
    """Profiles extend one another, or partials include one another, in a circle.

    Attributes:
        circle: The names in order; the last is the first again.
    """

    def __init__(self, what: str, circle: tuple[str, ...]) -> None:
        super().__init__(f"{what}: {' → '.join(circle)}. Take one of these steps out.")
        self.what = what
        self.circle = circle

    def __reduce__(self) -> tuple[type[ProfileCycle], tuple[str, tuple[str, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return ProfileCycle, (self.what, self.circle)


class EditError(PromptHubError):
    """A profile's file cannot be saved; what is there is untouched."""


class BadProfileId(EditError):
    """A text is no profile's id, so no file is named by it."""


class FileMoved(EditError):
    """Somebody else changed the file since it was read."""


class NoEditor(EditError):
    """No editor is named, or it ended with an error."""


class UnknownProfile(PromptHubError):
    """No profile has this id."""


class UnknownStage(PromptHubError):
    """The profile has no such stage."""


class TemplateRefused(PromptHubError, ValueError):
    """A template's text does what templates may not, or cannot be read.

    It is a ValueError too, so that pydantic names the field it stands in.

    Attributes:
        problem: What is wrong, and what to do, without the place.
        line: The line within the text, counted from 1; None where it is about the whole.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line} of the text: {problem}")
        self.problem = problem
        self.line = line

    def __reduce__(self) -> tuple[type[TemplateRefused], tuple[str, int | None]]:
        """Keep the facts apart when the error crosses a process."""
        return TemplateRefused, (self.problem, self.line)


class RenderError(PromptHubError):
    """A prompt cannot be made; nothing is sent in its place."""


class VariablesRefused(RenderError):
    """A variable is missing, not declared, not plain JSON, or misses its schema."""


class RenderLimit(RenderError):
    """A template prints or loops more than it may."""


class BadReference(PromptHubError):
    """A text names no prompt."""


class CompositionFileError(PromptHubError):
    """A composition's file is broken, or does not fit the profiles; none of them is used.

    Attributes:
        problems: Everything that was found wrong, at least one.
    """

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[CompositionFileError], tuple[tuple[FileProblem, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return CompositionFileError, (self.problems,)


class UnknownComposition(PromptHubError):
    """No composition has this id."""


class NobodyToAsk(PromptHubError):
    """A composition's node names no model, and no role is asked by its stage."""


class BadSplit(BadReference):
    """A text splits photos between revisions in no way that can be done."""


class CaseFileError(PromptHubError):
    """A file of prompt tests is broken; none of it is used.

    Attributes:
        problems: Everything that was found wrong, at least one.
    """

    def __init__(self, problems: tuple[FileProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[CaseFileError], tuple[tuple[FileProblem, ...]]]:
        """Keep the facts apart when the error crosses a process."""
        return CaseFileError, (self.problems,)


class NothingToTest(PromptHubError):
    """No set of tests is meant, or none of this name."""


class ReadsNoPrompt(PromptHubError):
    """A model answers by rule and reads no prompt, so its answers say nothing about one."""


class ImportRefused(PromptHubError):
    """A prompt of another tool would say something else here, or its file is broken; nothing is written."""


class WouldOverwrite(PromptHubError):
    """A profile or a file is there already; nothing is written over it."""


class ImprovingError(PromptHubError):
    """Something about a prompt that is to be improved by machine."""


class BadExamples(ImprovingError):
    """The examples cannot be read, or one of them cannot be asked about."""


class BadMetric(ImprovingError):
    """A metric is not known, or the examples have not what it compares with."""


class NothingToChange(ImprovingError):
    """No text of the stage may be changed, or one that is named is not there."""


class OptimizerMissing(ImprovingError):
    """The optimizer is not installed."""


class BudgetTooSmall(ImprovingError):
    """The requests that are allowed do not even measure the prompt as it is."""


class RevisionError(PromptHubError):
    """Something about what the state database keeps of a profile."""


class UnknownRevision(RevisionError):
    """No revision of the profile has such a hash."""


class AmbiguousRevision(RevisionError):
    """Several revisions of the profile have hashes that begin so."""


class DamagedRevision(RevisionError):
    """What is kept is not what was."""


class UnknownLabel(RevisionError):
    """The profile has no such label."""


class BadLabel(RevisionError):
    """A text that cannot name a label."""


class LabelMoved(RevisionError):
    """Somebody else moved the label meanwhile."""


class NothingToRollBack(RevisionError):
    """The label has pointed at its revision from the beginning."""


class PromotionRefused(RevisionError):
    """The revision does not meet what the label requires."""


class AccessError(PromptHubError):
    """Something about who may do what."""


class AccessRefused(AccessError):
    """Somebody's role does not allow what they wanted; it is kept and logged."""


class UnknownRole(AccessError):
    """There is no such role."""


class LastAdmin(AccessError):
    """Nobody would be left who may give roles."""
