"""What an import made of another program's file: each field that was mapped, changed or dropped, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Verdict = Literal["mapped", "changed", "dropped"]

_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of one field.

    Attributes:
        subject: What it belongs to, such as a model's old name.
        field: Its path there, such as `backend_config.extra_args`.
        verdict: mapped: it is said here as it was; changed: it is said otherwise; dropped: it is not said here.
        words: Where it went, or why it did not.
    """

    subject: str
    field: str
    verdict: Verdict
    words: str

    def __str__(self) -> str:
        return _plain(f"{self.verdict}  {self.field}: {self.words}")


@dataclass
class ImportReport:
    """Gathers what became of each field while a file is read.

    Attributes:
        source: The file, or files, as people call them.
    """

    source: str
    notes: list[Noted] = field(default_factory=list)

    def mapped(self, subject: str, name: str, words: str) -> None:
        """Note a field that is said here as it was."""
        self._note(Noted(subject, name, "mapped", words))

    def changed(self, subject: str, name: str, words: str) -> None:
        """Note a field that is said otherwise here."""
        self._note(Noted(subject, name, "changed", words))

    def dropped(self, subject: str, name: str, words: str) -> None:
        """Note a field that is not said here."""
        self._note(Noted(subject, name, "dropped", words))

    def lines(self) -> Iterator[str]:
        """The report for people: a count, and below each subject what became of its fields; no control characters."""
        counts = {
            verdict: sum(note.verdict == verdict for note in self.notes)
            for verdict in ("mapped", "changed", "dropped")
        }
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        yield _plain(f"{self.source}: of its fields {told}")
        for subject in dict.fromkeys(note.subject for note in self.notes):
            yield _plain(subject)
            yield from (f"  {note}" for note in self.notes if note.subject == subject)

    def _note(self, note: Noted) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _plain(words: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
