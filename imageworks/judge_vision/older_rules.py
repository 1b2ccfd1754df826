"""The proxy-orchestrated Judge-Vision's `competitions.toml`, taken apart into one rules file a competition."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from imageworks.errors import CompetitionFileError
from imageworks.judge_vision.competition import Competition, Rules
from imageworks.judge_vision.competition_file import read_competitions
from imageworks.judge_vision.formats import check_color_space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.import_report import ImportReport

_MONO: Final = re.compile(r"mono(chrome)?", re.IGNORECASE)
_NOT_IN_A_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
_PAIR: Final = 2
_TABLES: Final = frozenset({"rules", "playoff", "score_bands", "place_bands"})


def taken_apart(text: str, source: str, report: ImportReport) -> dict[str, str]:
    """One rules file, as TOML text, for each competition of the old file, by a name for the file without its suffix.

    Args:
        text: The old file's TOML.
        source: What to call it in an error: its path.
        report: Told what became of each field.

    Raises:
        CompetitionFileError: It is no TOML, holds no competition, or a value of one cannot be used.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise CompetitionFileError(f"{source} is not valid TOML: {problem}.") from problem
    tables = document.get("competition")
    if not isinstance(tables, dict) or not tables:
        raise CompetitionFileError(f"{source} has no table [competition.<id>], so it holds no competition.")
    for name in sorted(document.keys() - {"competition"}):
        report.dropped(source, name, "only [competition.<id>] is read")
    files: dict[str, str] = {}
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise CompetitionFileError(f"{source}: competition.{key} must be a table, [competition.{key}].")
        name = _NOT_IN_A_FILE_NAME.sub("-", key).strip("-") or "competition"
        if name in files:
            raise CompetitionFileError(
                f"{source}: two competitions would both be in {name}.toml; rename {key!r}."
            )
        made = tomlkit.dumps({"competition": {key: _competition(key, table, report)}})
        read_competitions(made, source)
        files[name] = made
    return files


def _competition(key: str, table: Mapping[str, Any], report: ImportReport) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in table.items():
        if name == "pairwise_rounds":
            report.changed(key, name, "is playoff.rounds")
        elif name not in Competition.model_fields or name in {"rules", "playoff", "id"}:
            if name not in {"rules", "playoff"}:
                report.dropped(key, name, "is no key of a competition here")
        else:
            made[name] = value
            report.mapped(key, name, "is as it was")
    for band, marks in _table(table, "score_bands").items():
        whole = isinstance(marks, list) and all(isinstance(mark, int) for mark in marks)
        if whole and len(marks) == _PAIR and marks[1] - marks[0] > 1:
            report.changed(
                key, f"score_bands.{band}", f"{marks[0]} to {marks[1]}, both ends and all between them"
            )
    playoff = dict(_table(table, "playoff"))
    if "pairwise_rounds" in table:
        playoff.setdefault("rounds", table["pairwise_rounds"])
    rules = _rules(key, table, report)
    # A table is written behind the plain keys, or TOML would take those for its own.
    plain = {name: value for name, value in made.items() if name not in _TABLES}
    bands = {name: value for name, value in made.items() if name in _TABLES}
    tables = {name: value for name, value in (("rules", rules), ("playoff", playoff)) if value}
    return {**plain, **bands, **tables}


def _rules(key: str, table: Mapping[str, Any], report: ImportReport) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in _table(table, "rules").items():
        ours = "color_space" if name == "colour_space" else name
        if ours not in Rules.model_fields:
            report.dropped(key, f"rules.{name}", "is no rule here, and nothing would check it")
        elif ours == "color_space" and (problem := _unknown_space(value)):
            report.dropped(key, f"rules.{name}", problem)
        else:
            made[ours] = value
            words = f"is rules.{ours}"
            (report.mapped if ours == name else report.changed)(key, f"rules.{name}", words)
    if made.get("borders") and "on_borders" not in made:
        words = (
            "is told to the judge, and a border that is found asks a person; on_borders = 'fail' keeps it out"
        )
        report.changed(key, "rules.borders", words)
    _mono(key, table, made, report)
    return made


def _mono(key: str, table: Mapping[str, Any], rules: dict[str, Any], report: ImportReport) -> None:
    """What the club says of monochrome in words, as the rules that look for it."""
    listed = table.get("categories")
    mono = (
        [one for one in listed if isinstance(one, str) and _MONO.fullmatch(one.strip())]
        if isinstance(listed, list)
        else []
    )
    if not mono or "mono_categories" in rules:
        return
    rules["mono_categories"] = mono
    rules.setdefault("on_color_in_mono", "query")
    words = (
        "more than one tint in it asks a person, so partial toning and spot color are seen as the notes want it; "
        "on_color_in_mono = 'fail' keeps it out"
        if _MONO.search(str(table.get("notes", "")))
        else "more than one tint in it asks a person"
    )
    report.changed(key, "categories", f"{' and '.join(mono)} is rules.mono_categories: {words}")


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name)
    return value if isinstance(value, dict) else {}


def _unknown_space(value: Any) -> str | None:
    try:
        check_color_space(str(value))
    except ValueError as error:
        return str(error)
    return None
