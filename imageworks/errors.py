"""What can go wrong in judging and tagging, as one small tree.

::

    ImageWorksError
    ├── CompetitionError
    │   ├── CompetitionFileError    a rules file that cannot be used
    │   └── UnknownCompetition      an id that the file does not have
    ├── BadPanel                    a list that names no judges
    ├── MarksFileError              a file of people's marks that cannot be used
    ├── VocabularyFileError         a vocabulary of keywords that cannot be used
    ├── ReviewFileError             a review that cannot be taken back
    ├── UnknownLanguage             a language whose words cannot be compared
    ├── AnswerMisread               an answer without the fields that its question asks for
    ├── SignalsMissing              a baseline was asked about a photo that was not measured
    ├── UnknownTask                 a baseline was asked for something that it does not do
    ├── ComparisonError             a comparison that names nobody or itself
    └── ThumbnailRefused            bytes that are no JPEG, PNG or WebP, meant for a report

Every message says what happened, to what, and what to do.
"""

from __future__ import annotations


class ImageWorksError(Exception):
    """The root: anything that judging or tagging refuses."""


class CompetitionError(ImageWorksError):
    """Something about a competition's rules."""


class CompetitionFileError(CompetitionError):
    """A rules file that cannot be used; the message names file, key and what is right."""


class UnknownCompetition(CompetitionError):
    """A competition id that the file does not have; the message lists those it has."""


class BadPanel(ImageWorksError):
    """A list of judges that cannot be used; the message says how one is written."""


class MarksFileError(ImageWorksError):
    """A file of people's marks that cannot be used; the message names file, line and what is right."""


class VocabularyFileError(ImageWorksError):
    """A vocabulary of keywords that cannot be used; the message names file, lines and what is right."""


class ReviewFileError(ImageWorksError):
    """A file of decisions that cannot be used; the message names file, lines and what is right."""


class UnknownLanguage(ImageWorksError):
    """A language that there are no tables of words for; the message lists those there are."""


class AnswerMisread(ImageWorksError):
    """An answer that lacks a field or holds a wrong value, although it passed as JSON."""


class SignalsMissing(ImageWorksError):
    """The baseline needs every measured signal and got fewer."""


class UnknownTask(ImageWorksError):
    """A baseline was asked for a task that it does not have; the message lists those it has."""


class ComparisonError(ImageWorksError):
    """A comparison of a photo with itself, or of one that does not take part."""


class ThumbnailRefused(ImageWorksError):
    """A thumbnail that is not a JPEG, PNG or WebP file; reports embed nothing else."""
