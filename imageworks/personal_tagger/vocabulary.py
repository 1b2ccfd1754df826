"""A controlled vocabulary: the keywords that a photographer wants, where each lies, and what else it is called.

The file is Lightroom's keyword export, or a plain list: one keyword a line, one tab deeper for each level.
`{boat}` below a keyword is a synonym of it, `[ANIMALS]` a category that only orders the others and is never written,
and `!photo` at the edge a word that is never to be written. A line that begins with `#` is a comment.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imageworks.personal_tagger.lemmas import Lemmas

SEPARATOR: Final = "|"
"""Between the levels of a path, as `lr:hierarchicalSubject` has it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One keyword of a vocabulary.

    Attributes:
        name: As it is written, to the letter.
        above: The keywords that it lies under, the highest first, without categories.
        line: Where the file has it, from 1.
        synonyms: What else it is called; never written.
    """

    name: str
    above: tuple[str, ...] = ()
    line: int = 0
    synonyms: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its levels, the highest first: `Animals|Birds|heron`."""
        return SEPARATOR.join((*self.above, self.name))


@dataclass(frozen=True)
class Vocabulary:
    """All keywords of a file.

    Attributes:
        terms: In the order of the file.
        categories: Names that only order the others.
        forbidden: Words that are never written.
        digest: SHA-256 of the file, hex.
    """

    terms: tuple[Term, ...]
    categories: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    digest: str = ""

    def find(self, keyword: str, lemmas: Lemmas) -> Term | None:
        """The term that a keyword means; None where there is none, or where it may be several.

        A term's own name goes before a synonym, and what is spelled alike before what only has the same base form:
        `glasses` is `glasses` where the vocabulary has it, and `glass` where it has that alone. A path such as
        `Birds|crane` or `Birds > crane` says which of two cranes is meant.
        """
        key = keyword_key(keyword)
        for known, wanted in self._ways(lemmas, key, keyword):
            found = known.get(wanted, ())
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def forbids(self, keyword: str, lemmas: Lemmas) -> bool:
        """Whether a word is never to be written, in this form or another."""
        mine = {keyword_key(keyword), lemmas.key(keyword), lemmas.key(keyword, names=True)}
        return any({keyword_key(word), lemmas.key(word)} & mine for word in self.forbidden)

    def doubles(self) -> list[tuple[str, tuple[Term, ...]]]:
        """Words that mean several terms, such as two keywords of one name: which is meant, nobody can tell."""
        named = [(terms[0].name, terms) for terms in self._by_name.values() if len(terms) > 1]
        called = [
            (word, terms)
            for word, terms in self._by_synonym.items()
            if len(terms) > 1 and word not in self._by_name
        ]
        return [*named, *called]

    def _ways(
        self, lemmas: Lemmas, key: str, keyword: str
    ) -> Iterator[tuple[Mapping[str, tuple[Term, ...]], str]]:
        yield self._by_path, key.replace(" > ", SEPARATOR)
        yield self._by_name, key
        yield self._by_synonym, key
        by_lemma = self._by_lemma(lemmas)
        yield by_lemma, lemmas.key(keyword)
        yield by_lemma, lemmas.key(keyword, names=True)

    @cached_property
    def _by_path(self) -> Mapping[str, tuple[Term, ...]]:
        # From every level on: `Birds|crane` says as much as `Animals|Birds|crane`.
        found: dict[str, list[Term]] = defaultdict(list)
        for term in self.terms:
            levels = (*term.above, term.name)
            for start in range(len(term.above)):
                found[keyword_key(SEPARATOR.join(levels[start:]))].append(term)
        return _frozen(found)

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[Term, ...]]:
        found: dict[str, list[Term]] = defaultdict(list)
        for term in self.terms:
            found[keyword_key(term.name)].append(term)
        return _frozen(found)

    @cached_property
    def _by_synonym(self) -> Mapping[str, tuple[Term, ...]]:
        found: dict[str, list[Term]] = defaultdict(list)
        for term in self.terms:
            for synonym in term.synonyms:
                found[keyword_key(synonym)].append(term)
        return _frozen(found)

    @cached_property
    def _lemmatized(self) -> dict[str, Mapping[str, tuple[Term, ...]]]:
        return {}

    def _by_lemma(self, lemmas: Lemmas) -> Mapping[str, tuple[Term, ...]]:
        if lemmas.language not in self._lemmatized:
            found: dict[str, list[Term]] = defaultdict(list)
            for term in self.terms:
                for word in (term.name, *term.synonyms):
                    key = lemmas.key(word)
                    if term not in found[key]:
                        found[key].append(term)
            self._lemmatized[lemmas.language] = _frozen(found)
        return self._lemmatized[lemmas.language]


def _frozen(found: Mapping[str, list[Term]]) -> dict[str, tuple[Term, ...]]:
    return {key: tuple(terms) for key, terms in found.items()}
