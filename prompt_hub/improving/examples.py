"""Labelled examples: read in bounds from Parquet, CSV or JSON lines, and split by a seed."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import BadExamples, PromptHubError
from prompt_hub.rendering import render
from registry.digests import digest

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_hub.schema import PromptProfile, StageTemplate

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ROWS: Final = 10_000


@dataclass(frozen=True)
class Example:
    """One example.

    Attributes:
        number: Its row, counted from 0.
        values: Values of the stage's variables.
        photo: The picture to show, or None.
        score: The mark that a person gave, or None.
        keywords: The keywords that a person gave, or None.
    """

    number: int
    values: dict[str, Any]
    photo: Path | None
    score: float | None
    keywords: tuple[str, ...] | None


@dataclass(frozen=True)
class Examples:
    """All examples of a file.

    Attributes:
        rows: The examples.
        hash: SHA-256 of what the file says, as canonical JSON.
    """

    rows: tuple[Example, ...]
    hash: str

    def split(self, held_out: float, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """Those that are learned from and those that are kept back, each in the file's order.

        Args:
            held_out: Share that is kept back, 0 to below 1.
            seed: Decides which.

        Raises:
            BadExamples: One of the two would have fewer than two.
        """
        order = list(range(len(self.rows)))
        random.Random(seed).shuffle(order)  # noqa: S311 - a split, no secret
        count = round(len(order) * held_out)
        kept_back = set(order[:count])
        train = tuple(row for index, row in enumerate(self.rows) if index not in kept_back)
        held = tuple(row for index, row in enumerate(self.rows) if index in kept_back)
        if len(train) < 2 or len(held) < 2:  # noqa: PLR2004 - one example orders nothing
            raise BadExamples(
                f"{len(self.rows)} examples make {len(train)} to learn from and {len(held)} to check with; "
                "both need two at least. Give more examples, or another --holdout."
            )
        return train, held


def read_examples(file: Path, profile: PromptProfile, stage: str) -> Examples:
    """Read the examples of a stage.

    Args:
        file: `.parquet`, `.csv` or `.jsonl`; photos are named by their place within its folder.
        profile: Has the stage, whose variables are the columns.
        stage: The stage.

    Raises:
        BadExamples: They cannot be read, are too many, or one of them cannot be asked about.
    """
    rows = _rows(file)
    if len(rows) > MAX_ROWS:
        raise BadExamples(f"{file} has more than {MAX_ROWS:,} examples; take some of them.")
    template = profile.stage(stage)
    if template.images > 1:
        raise BadExamples(
            f"{stage} shows {template.images} pictures; a stage with one or none can be improved."
        )
    examples = []
    for number, row in enumerate(rows):
        try:
            example = _example(number, row, template, file.parent)
            render(profile, stage, example.values)
        except (ValueError, PromptHubError) as error:
            raise BadExamples(f"{file}: example {number + 1}: {error}") from error
        examples.append(example)
    return Examples(tuple(examples), digest([_plain(row) for row in rows]))


def _rows(file: Path) -> list[dict[str, Any]]:
    try:
        if not file.is_file():
            raise BadExamples(f"{file} is no file.")
        if file.stat().st_size > MAX_BYTES:
            raise BadExamples(f"{file} is larger than {MAX_BYTES // 1024 // 1024} MiB; take some of it.")
        match file.suffix:
            case ".jsonl":
                lines = file.read_text(encoding="utf-8").splitlines()
                return [_object(line) for line in lines if line.strip()]
            case ".parquet" | ".csv":
                return _table_rows(file)
            case _:
                raise BadExamples(f"{file} is neither .parquet nor .csv nor .jsonl.")
    except (OSError, ValueError, RecursionError) as error:
        raise BadExamples(f"{file} cannot be read: {error}") from error


def _table_rows(file: Path) -> list[dict[str, Any]]:
    # Arrow is dear to load, and a file of lines does without.
    import pyarrow as pa  # noqa: PLC0415 - see above
    from pyarrow import csv, parquet  # noqa: PLC0415 - see above

    if file.suffix == ".csv":
        table = csv.read_csv(file)
    else:
        opened = parquet.ParquetFile(file)
        if opened.metadata.num_rows > MAX_ROWS:
            raise BadExamples(f"{file} has more than {MAX_ROWS:,} examples; take some of them.")
        table = opened.read()
    if not isinstance(table, pa.Table):
        raise BadExamples(f"{file} holds no table.")
    rows: list[dict[str, Any]] = table.slice(0, MAX_ROWS + 1).to_pylist()
    return rows


def _object(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is no JSON object")  # noqa: TRY004 - a text is wrong, no caller
    return value


def _example(number: int, row: dict[str, Any], template: StageTemplate, folder: Path) -> Example:
    values = {}
    for name, declaration in template.variables.items():
        value = row.get(name)
        if value is None and (name not in row or not declaration.required):
            continue
        kind = declaration.value_schema.get("type")
        values[name] = _value(value, is_text=kind == "string")
    score = row.get("score", row.get("label"))
    return Example(
        number=number,
        values=values,
        photo=_photo(row.get("photo"), template, folder),
        score=None if score is None or isinstance(score, bool) else _number(score),
        keywords=_keywords(row.get("keywords")) if "keywords" not in template.variables else None,
    )


def _value(value: Any, *, is_text: bool) -> Any:
    if is_text:
        return value if value is None else str(value)
    return json.loads(value) if isinstance(value, str) and value[:1] in {"[", "{"} else value


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("its score is not a finite number")
    return number


def _keywords(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("[") else value.split(";")
    if not isinstance(value, list):
        raise ValueError("its keywords are no list")  # noqa: TRY004 - a file is wrong, no caller
    return tuple(word for one in value if (word := str(one).strip()))


def _photo(value: Any, template: StageTemplate, folder: Path) -> Path | None:
    if not template.images:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError("it names no photo, and the stage shows one")
    path = folder / value
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"its photo {value!r} lies outside of the folder of the examples")
    if not path.is_file():
        raise ValueError(f"its photo {value!r} is not there")
    return path


def _plain(value: Any) -> Any:
    """A row as plain JSON, for its digest."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | str) else repr(value)
