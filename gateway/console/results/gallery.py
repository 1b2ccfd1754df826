"""A batch's current tables, joined by entry: what is shown of each photo, in an order of one's choice."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal

from imageworks.judge_vision.findings import Finding
from imageworks.judge_vision.panel import answers_named
from store.artifacts import TableStore
from store.errors import MissingTable
from store.overrides import in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from store.batches import Batch, Pipeline
    from store.database import StateDatabase
    from store.home import Home
    from store.overrides import Override

Order = Literal["place", "score", "name"]
ORDERS: Final[Mapping[Order, str]] = {"place": "place", "score": "score, best first", "name": "name"}

ENTRIES: Final[Mapping[Pipeline, str]] = {"judge": "judge/entries", "tagger": "tagger/photos"}
"""The table that has every entry of a batch, by pipeline."""

TABLES: Final[Mapping[Pipeline, tuple[str, ...]]] = {
    "judge": ("judge/entries", "judge/compliance", "judge/signals", "judge/critiques", "judge/results"),
    "tagger": (
        "tagger/photos",
        "tagger/captions",
        "tagger/keywords",
        "tagger/descriptions",
        "tagger/metadata",
    ),
}
"""The tables with one row an entry."""

Standing = Literal["out", "query", "failed"]
STANDINGS: Final[Mapping[Pipeline, Mapping[Standing, str]]] = {
    "judge": {"out": "kept out", "query": "to be looked at", "failed": "without a result"},
    "tagger": {"failed": "without a result"},
}
"""How an entry may stand that wants a person's eye, in words, by pipeline."""

PLAYOFF: Final = "judge/playoff"
_KEPT: Final = 4
_NO_TITLE: Final = "untitled"
_LAST: Final = 10**9

Row = dict[str, Any]


@dataclass(frozen=True)
class Opinion:
    """One answer of one of several judges.

    Attributes:
        name: The judge, and the answer's number where it gave several.
        told: Its marks, its words, and who was asked, as the table has them.
    """

    name: str
    told: Row


@dataclass(frozen=True)
class Card:
    """One entry, ready to be shown.

    Attributes:
        entry_id: The entry.
        rows: Its row of each table that there is, by the table's last word, such as `critiques`.
        overrides: What people say of it, by column.
    """

    entry_id: str
    rows: Mapping[str, Row]
    overrides: Mapping[str, Override]

    @property
    def title(self) -> str:
        """What stands above its photo."""
        first = self.first
        title: str | None = first.get("title")
        if title and title.lower() != _NO_TITLE:
            return title
        return PurePosixPath(first.get("relative_path") or self.entry_id).stem

    @property
    def first(self) -> Row:
        """Its row of the table that has every entry."""
        return self.rows.get("entries") or self.rows.get("photos") or {}

    @property
    def photo_id(self) -> str | None:
        """Its photo; None where there is none that can be opened."""
        photo_id: str | None = self.first.get("photo_id")
        return photo_id

    @property
    def has_picture(self) -> bool:
        """Whether its photo could be opened when it was looked at last."""
        signals = self.rows.get("signals", {})
        broken = self.first.get("error_class") or (
            signals.get("error_class") and signals.get("sharpness") is None
        )
        return self.photo_id is not None and not broken

    def said(self, column: str) -> Any:
        """What the model says in a column; None where it says nothing."""
        for name in ("critiques", "results", "metadata", "captions", "keywords", "descriptions"):
            if self.rows.get(name, {}).get(column) is not None:
                return self.rows[name][column]
        return None

    @property
    def problem(self) -> str | None:
        """Why it has no result, in words; None where it has one."""
        for row in self.rows.values():
            if row.get("error_class"):
                return str(row.get("error_message") or row["error_class"])
        reason: str | None = self.rows.get("results", {}).get("reason")
        return reason

    @property
    def findings(self) -> list[Finding]:
        """What breaks the rules of the competition, or may."""
        found = json.loads(self.rows.get("compliance", {}).get("findings") or "[]")
        return [Finding.model_validate(one) for one in found]

    @property
    def opinions(self) -> list[Opinion]:
        """What each of several judges said; none where one was asked."""
        # A table of an earlier version has no such column.
        told = json.loads(self.rows.get("critiques", {}).get("opinions") or "[]")
        names = answers_named([one["judge"] for one in told])
        return [Opinion(name, one) for name, one in zip(names, told, strict=True)]

    @property
    def authors(self) -> list[tuple[str, str | None, str | None, str]]:
        """Of each table, and of each judge: the table, the prompt, the model and the run."""
        found: dict[tuple[str, str | None, str | None, str], None] = {}
        for name, row in self.rows.items():
            asked = [one.told for one in self.opinions] if name == "critiques" else []
            for one in asked or [row]:
                found[name, one.get("profile_id"), one.get("model"), row["run_id"]] = None
        return list(found)

    @property
    def spread(self) -> str:
        """The lowest and the highest mark of several judges, `14 to 18`; empty where they agree, or one was asked."""
        critique = self.rows.get("critiques", {})
        low, high = critique.get("score_low"), critique.get("score_high")
        return f"{low} to {high}" if low != high else ""

    def evidence(self, home: Home, finding: Finding) -> Path | None:
        """The picture of a finding's evidence; None where none was drawn, or it is gone."""
        version = self.rows.get("compliance", {}).get("detectors_version")
        if finding.evidence is None or self.photo_id is None or not version:
            return None
        path = home.evidence_of(self.photo_id, finding.evidence, version)
        return path if path.is_file() and path.stat().st_size else None


@dataclass(frozen=True)
class Gallery:
    """The tables of a batch as they were when they were read.

    Attributes:
        runs: The run that made each table, by asset.
        rows: Rows by entry and the table's last word.
        comparisons: The rows of the playoff.
    """

    runs: Mapping[str, str]
    rows: Mapping[str, Mapping[str, Row]]
    comparisons: Sequence[Row]

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What stands above each photo, by entry."""
        return {entry_id: self.card(entry_id).title for entry_id in self.rows}

    def card(self, entry_id: str, words: Mapping[str, list[Override]] | None = None) -> Card:
        """One entry with what people say of it. KeyError if there is none."""
        return Card(entry_id, self.rows[entry_id], in_force((words or {}).get(entry_id, [])))

    @cached_property
    def standing(self) -> Mapping[Standing, frozenset[str]]:
        """The entries that were kept out by a rule, are to be looked at, or have no result; one may be in two."""
        found: dict[Standing, set[str]] = {"out": set(), "query": set(), "failed": set()}
        for entry_id, rows in self.rows.items():
            verdict = rows.get("compliance", {}).get("verdict")
            if verdict == "fail":
                # What it lacks, it lacks because of that.
                found["out"].add(entry_id)
                continue
            if verdict == "query":
                found["query"].add(entry_id)
            if any(row.get("error_class") for row in rows.values()):
                found["failed"].add(entry_id)
        return {standing: frozenset(entries) for standing, entries in found.items()}

    def chosen(
        self,
        *,
        order: Order,
        search: str = "",
        standing: Standing | None = None,
        words: Mapping[str, list[Override]],
    ) -> list[str]:
        """Entries whose title or file has a text in it, in an order; of all, or of those that stand like that."""
        wanted = search.strip().casefold()
        titles = self.titles
        found = [
            entry_id
            for entry_id in self.rows
            if (standing is None or entry_id in self.standing[standing])
            and (not wanted or wanted in titles[entry_id].casefold() or wanted in entry_id.casefold())
        ]
        if order == "name":
            return sorted(found, key=lambda entry_id: (titles[entry_id].casefold(), entry_id))
        if order == "score":
            return sorted(found, key=lambda entry_id: (-self._score(entry_id, words), entry_id))
        return sorted(
            found, key=lambda entry_id: (*self._place(entry_id), -self._score(entry_id, {}), entry_id)
        )

    def _score(self, entry_id: str, words: Mapping[str, list[Override]]) -> float:
        card = self.card(entry_id, words)
        score = card.overrides["score"].value if "score" in card.overrides else card.said("score")
        return -1.0 if score is None else float(score)

    @cached_property
    def compared(self) -> int:
        """How many pairs were compared: one that was asked in both orders is one."""
        pairs = {
            (row["playoff_round"], *sorted((row["entry_id"], row["opponent_id"]))) for row in self.comparisons
        }
        return len(pairs)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The categories in which entries have places, by name; each has a first place of its own."""
        results = (row.get("results", {}) for row in self.rows.values())
        return tuple(sorted({row.get("category") or "" for row in results if row.get("place") is not None}))

    def _place(self, entry_id: str) -> tuple[bool, str, int]:
        """Where it comes by place: category by category, and those without a place last."""
        result = self.rows[entry_id].get("results", {})
        place: int | None = result.get("place")
        if place is None:
            return True, "", _LAST
        return False, result.get("category") or "", place


class Galleries:
    """The galleries that were looked at last. Use it from any thread.

    A table never changes, so what was read stays right as long as the pointers name the same tables.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Gallery] = OrderedDict()

    def open(self, home: Home, database: StateDatabase, batch: Batch) -> Gallery:
        """The gallery of a batch as it is now; empty where nothing was materialized yet.

        Raises:
            StoreError: A table cannot be read.
        """
        store = TableStore(home, database)
        wanted = (*TABLES[batch.pipeline], *([PLAYOFF] if batch.pipeline == "judge" else []))
        pointers = {
            pointer.asset: pointer for pointer in store.pointers(batch=batch.name) if pointer.asset in wanted
        }
        key = (batch.pipeline, batch.name, *(str(pointer.path) for pointer in pointers.values()))
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        gallery = _read(store, batch, {asset: pointer.run_id for asset, pointer in pointers.items()})
        with self._lock:
            self._kept[key] = gallery
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return gallery


def _read(store: TableStore, batch: Batch, runs: Mapping[str, str]) -> Gallery:
    tables: dict[str, list[Row]] = {}
    for asset, run_id in runs.items():
        try:
            tables[asset] = store.read(asset, batch.name, run_id).to_pylist()
        except MissingTable:
            # It was removed between the two readings.
            continue
    rows: dict[str, dict[str, Row]] = {}
    for asset in TABLES[batch.pipeline]:
        for row in tables.get(asset, ()):
            rows.setdefault(row["entry_id"], {})[asset.rpartition("/")[2]] = row
    return Gallery(runs, rows, tables.get(PLAYOFF, []))
