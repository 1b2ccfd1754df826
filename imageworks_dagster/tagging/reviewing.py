"""A batch's review: what is to be decided on, and what a person's decisions come to in the store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from imageworks.counting import counted
from imageworks.personal_tagger.review import ReviewPhoto, field_text, same_text
from imageworks_dagster.picturing import thumbnails
from imageworks_dagster.reporting import REPORT_PICTURES
from imageworks_dagster.tagging.words import APPROVED, TABLES, PhotoWords, approval_of, photo_words
from store.errors import BadOverride
from store.overrides import LONGEST_REASON, Override, in_force, override, overrides_of, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imageworks.personal_tagger.review import Field
    from imageworks.personal_tagger.review_file import Reviewed
    from imageworks_dagster.stages import BatchTables, Row
    from store.settings import Settings

REASON = "Decided in a review."
SHOWN = 10
"""Lines that are named of each kind."""

UNKNOWN, STALE, OTHER_WORDS, WRONG = (
    "no photo of this batch",
    "another picture by now",
    "other words are proposed by now",
    "cannot be used",
)


@dataclass
class ReviewOutcome:
    """What a review came to.

    Attributes:
        decided: Decisions taken over, by kind: approve, edit, reject.
        approved: Photos of the file all of whose fields are decided on now, by this file or an earlier one.
        undecided: Photos of the file without any decision.
        open: Photos of the whole batch that still wait for a person, with the fields that do.
        left: Lines that were left out, by why, each with its number, its file and more words.
    """

    decided: Counter[str] = field(default_factory=Counter)
    approved: int = 0
    undecided: int = 0
    open: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    left: dict[str, list[str]] = field(default_factory=dict)

    def leave(self, one: Reviewed, why: str, more: str = "") -> None:
        """Leave a line out."""
        self.left.setdefault(why, []).append(
            f"line {one.line}, {one.file[:120]}" + (f": {more}" if more else "")
        )

    def words(self) -> Iterator[str]:
        """The report, line by line."""
        kinds = {"approve": "approved", "edit": "edited", "reject": "rejected"}
        fields = ", ".join(f"{self.decided[kind]} {word}" for kind, word in kinds.items())
        yield f"Fields: {fields}. Photos approved as a whole: {self.approved}; without a decision: {self.undecided}."
        for why, lines in self.left.items():
            yield f"{counted(len(lines), 'line')} left out: {why}."
            yield from (f"  {line}" for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                yield f"  and {len(lines) - SHOWN} more"
        if not self.open:
            yield "No photo of the batch is open any more."
            return
        yield f"{counted(len(self.open), 'photo')} of the batch still open; what was decided about them is kept:"
        for file, fields_left in islice(self.open.items(), SHOWN):
            yield f"  {file[:120]}: {', '.join(fields_left)}"
        if len(self.open) > SHOWN:
            yield f"  and {len(self.open) - SHOWN} more"


class Review:
    """The review of one batch, as its tables and people's words are now."""

    def __init__(self, tables: BatchTables) -> None:
        """Read the tables.

        Raises:
            store.errors.MissingTable: the batch has not been tagged.
        """
        self._tables = tables
        self._photos = tables.read("tagger/photos")
        self._answers = {table: tables.read_by_entry(f"tagger/{table}") for table in TABLES.values()}
        self._said = overrides_of(tables.store.database, "tagger", tables.batch.name)

    def photos(self, settings: Settings) -> list[ReviewPhoto]:
        """The photos that have words to decide on, the first of them with thumbnails."""
        shown = [(photo, words) for photo in self._photos if (words := self._words(photo)) is not None]
        return [
            ReviewPhoto(
                file=photo["relative_path"],
                photo_id=photo["photo_id"],
                caption=words.caption,
                keywords=words.keywords,
                description=words.description,
                suggestions=self._suggestions(photo, words),
                present_title=photo["existing_title"] or "",
                present_keywords=tuple(photo["existing_keywords"] or ()),
                present_description=photo["existing_description"] or "",
                thumbnail=self._thumbnail(settings, photo) if number < REPORT_PICTURES else None,
                decided=words.decided,
            )
            for number, (photo, words) in enumerate(shown)
        ]

    def take_back(self, reviewed: Iterable[Reviewed], *, who: str) -> ReviewOutcome:
        """Keep a person's decisions: edits and rejections in the model's place, approvals of the words as they are.

        What is decided about some of a photo's fields is kept, and the others wait for a later review.
        A line that cannot be taken is left out as a whole, and told; taking the same file twice changes nothing.
        """
        by_file = {photo["relative_path"]: photo for photo in self._photos}
        outcome = ReviewOutcome()
        for one in reviewed:
            if not one.decisions:
                outcome.undecided += 1
                continue
            photo = by_file.get(one.file)
            words = self._words(photo) if photo is not None else None
            if photo is None or words is None:
                outcome.leave(one, UNKNOWN)
            elif photo["photo_id"] != one.photo_id:
                outcome.leave(one, STALE)
            elif words.digest != one.words and not _is_of(one, words):
                outcome.leave(one, OTHER_WORDS, "look at them, and decide anew")
            else:
                self._keep(photo, words, one, who, outcome)
        self._said = overrides_of(self._tables.store.database, "tagger", self._tables.batch.name)
        for photo in self._photos:
            if (now := self._words(photo)) is not None and not now.is_approved:
                outcome.open[photo["relative_path"]] = now.undecided
        return outcome

    def _keep(self, photo: Row, words: PhotoWords, one: Reviewed, who: str, outcome: ReviewOutcome) -> None:
        held: dict[Field, Any] = {
            "caption": words.caption,
            "keywords": list(words.keywords),
            "description": words.description,
        }
        if len(one.reason) > LONGEST_REASON:
            outcome.leave(one, WRONG, f"A reason has at most {LONGEST_REASON} characters.")
            return
        try:
            decided = {column: _value(column, one, held[column]) for column in one.decisions}
        except BadOverride as problem:
            outcome.leave(one, WRONG, str(problem))
            return
        made: dict[str, Any] = {column: value for column, value in decided.items() if value != held[column]}
        held |= decided
        outcome.decided.update(one.decisions.values())
        decided_now = words.decided.union(one.decisions)
        after = PhotoWords(held["caption"], tuple(held["keywords"]), held["description"], decided_now)
        made[APPROVED] = approval_of(after, decided_now)
        outcome.approved += after.is_approved
        own = in_force(
            [word for word in self._said.get(photo["entry_id"], ()) if word.photo_id == photo["photo_id"]]
        )
        for column, value in made.items():
            if column not in own or own[column].value != value:
                self._override(photo, column, value, one.reason, who)

    def _override(self, photo: Row, column: str, value: Any, reason: str, who: str) -> None:
        made = Override(
            entry_id=photo["entry_id"],
            photo_id=photo["photo_id"],
            column=column,
            value=value,
            reason=reason or REASON,
            who=who,
            made_at=datetime.now(UTC),
        )
        override(self._tables.store.database, pipeline="tagger", batch=self._tables.batch.name, made=made)

    def _words(self, photo: Row) -> PhotoWords | None:
        return photo_words(photo, self._answers, self._said.get(photo["entry_id"], ()))

    def _suggestions(self, photo: Row, words: PhotoWords) -> tuple[str, ...]:
        row = self._answers["keywords"][photo["entry_id"]]
        return tuple(word for word in row.get("suggestions") or () if word not in words.keywords)

    def _thumbnail(self, settings: Settings, photo: Row) -> bytes | None:
        files = [self._tables.photo_file(photo)]
        return next(iter(thumbnails(self._tables.store.home, settings, files)), None)


def _is_of(one: Reviewed, words: PhotoWords) -> bool:
    """Whether what is approved is what is proposed now, whatever became of the other fields since."""
    return all(
        same_text(one.texts[column], field_text(getattr(words, column)))
        for column, decision in one.decisions.items()
        if decision == "approve"
    )


def _value(column: Field, one: Reviewed, held: Any) -> Any:
    """What holds of a field by a person's decision.

    Raises:
        BadOverride: An edit holds nothing, or more than the field does; what is approved was changed.
    """
    decision = one.decisions[column]
    if decision == "approve":
        if not same_text(one.texts[column], field_text(held)):
            raise BadOverride(
                f"The {column} is approved, and its text was changed; write `edit` to have yours."
            )
        return held
    if decision == "reject":
        return [] if column == "keywords" else ""
    value = read_value("tagger", column, one.texts[column])
    if value is None:
        raise BadOverride(f"The edited {column} is empty; write `reject` to leave it out.")
    return value
