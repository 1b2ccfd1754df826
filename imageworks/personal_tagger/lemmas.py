"""Base forms of words, to see that two keywords are one: `trees` is `tree`, `geese` are `goose`.

They are compared and never written: a base form can be another word (`glasses`, `glass`). By simplemma's tables,
which know a word or leave it as it is; nothing is cut off by rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import simplemma
from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

from imageworks.errors import UnknownLanguage
from photos.metadata.spelling import keyword_key

NONE: Final = "none"
"""The language of those who want words compared as they are spelled."""

_CAPITAL_NOUNS: Final = frozenset({"de", "lb"})
"""Where every noun has a capital, a capital says nothing of a name."""


@dataclass(frozen=True, slots=True)
class Lemmas:
    """Base forms in one language.

    Attributes:
        language: A code of simplemma's, such as `en`, or `none`.

    Raises:
        UnknownLanguage: There are no tables for it; the message lists those there are.
    """

    language: str = NONE

    def __post_init__(self) -> None:
        if self.language != NONE and self.language not in languages():
            raise UnknownLanguage(
                f"Keywords cannot be compared in the language {self.language!r}: choose {NONE!r} or one of "
                f"{', '.join(languages())} in IMAGEWORKS_KEYWORD_LANGUAGE."
            )

    def key(self, keyword: str, *, names: bool = False) -> str:
        """What two forms of one keyword have in common: as `keyword_key`, with the last word in its base form.

        The last word alone, because it is what is one or many: `oak trees`, `glass houses`. A name keeps its form
        (`Alps` are no alp, `Windows` no window), and so does an English -ing word, which says what happens:
        `rowing` is no row, `painting` no paint.

        Args:
            keyword: As it is spelled.
            names: Take words with a capital for forms too: some models begin every keyword with one.
        """
        if self.language == NONE:
            return keyword_key(keyword)
        head, _, last = " ".join(keyword.replace("_", " ").split()).rpartition(" ")
        return keyword_key(f"{head} {self._base(last, names=names)}")

    def _base(self, word: str, *, names: bool) -> str:
        may_be_name = word[:1].isupper() and self.language not in _CAPITAL_NOUNS
        if (
            not word.isalpha()
            or (may_be_name and not names)
            or (self.language == "en" and word.endswith("ing"))
        ):
            return word
        return _lemma(word.lower() if may_be_name else word, self.language)


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Codes of the languages that have tables, sorted."""
    return tuple(sorted(SUPPORTED_LANGUAGES))


@lru_cache(maxsize=65_536)
def _lemma(word: str, language: str) -> str:
    return simplemma.lemmatize(word, lang=language)
