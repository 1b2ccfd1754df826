"""What a file's name says: the title, which the judge may read, and the author, which the judge never may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imageworks.plain_text import one_line

if TYPE_CHECKING:
    from imageworks.judge_vision.competition import Competition

UNTITLED = "Untitled"
"""The title of a file whose name cannot be told apart from its author's."""

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class NameParts:
    """The parts of a file name.

    Attributes:
        title: At most 120 characters on one line, never empty.
        author: None when the name or its pattern holds none.
        exact: Whether the name follows the competition's pattern to the letter.
    """

    title: str
    author: str | None
    exact: bool


def _pattern(naming: str, *, lenient: bool) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for match in _FIELD.finditer(naming):
        parts.append(_literal(naming[end : match.start()], lenient=lenient))
        field = match.group(1)
        # The title is greedy, so that "Stand by Me by Ann Lee" is Ann Lee's "Stand by Me".
        parts.append(
            {"title": r"(?P<title>.+)", "number": r"(?P<number>\d+)"}.get(field, rf"(?P<{field}>.+?)")
        )
        end = match.end()
    parts.append(_literal(naming[end:], lenient=lenient))
    return re.compile("".join(parts), re.IGNORECASE if lenient else 0)


def _literal(text: str, *, lenient: bool) -> str:
    if not lenient:
        return re.escape(text)
    spaced = text.replace("_", " ")
    core = re.escape(" ".join(spaced.split())).replace(r"\ ", r"\s+")
    if not core:
        return r"\s+" if spaced else ""
    if not any(char.isalnum() for char in core):
        return rf"\s*{core}\s*"
    return (r"\s+" if spaced[0] == " " else "") + core + (r"\s+" if spaced[-1] == " " else "")


def _stem(file_name: str) -> str:
    return PurePosixPath(file_name.replace("\\", "/")).stem


def name_parts(file_name: str, competition: Competition) -> NameParts:
    """Take a file name apart by the competition's pattern.

    A name that misses the pattern slightly (underscores for spaces, other capitals) is still understood. One
    that misses it altogether gives `Untitled` where the pattern holds an author, because the author's name
    might be anywhere in it. Without a pattern every name gives `Untitled`, for the same reason.
    """
    naming = competition.rules.naming
    stem = _stem(file_name)
    spaced = stem.replace("_", " ")
    if not naming:
        return NameParts(UNTITLED, None, exact=True)
    exact = _pattern(naming, lenient=False).fullmatch(stem)
    match = exact or _pattern(naming, lenient=True).fullmatch(" ".join(spaced.split()))
    if match:
        groups = match.groupdict()
        author = one_line((groups.get("author") or "").replace("_", " ")) or None
        title = one_line(groups["title"].replace("_", " ")) or UNTITLED
        return NameParts(title, author, exact=exact is not None)
    if "{author}" not in naming:
        return NameParts(one_line(spaced) or UNTITLED, None, exact=False)
    return NameParts(UNTITLED, None, exact=False)


def title_of(file_name: str, competition: Competition) -> str:
    """The title alone, for the judge: the author's name, folders and the extension are gone.

    Returns:
        One line of 1 to 120 characters. Text that looks like an order stays text.
    """
    return name_parts(file_name, competition).title


def category_of(relative_path: str, competition: Competition) -> str:
    """The competition's category that an entry is in, by its first folder; empty when none says.

    A competition with a single category has all its entries in it.
    """
    if len(competition.categories) == 1:
        return competition.categories[0]
    parts = PurePosixPath(relative_path.replace("\\", "/")).parts
    if len(parts) > 1:
        for category in competition.categories:
            if parts[0].casefold() == category.casefold():
                return category
    return ""
