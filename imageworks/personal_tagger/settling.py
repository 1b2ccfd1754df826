"""From a model's words to keywords: how many of its answers agree, which the vocabulary knows, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imageworks.personal_tagger.lemmas import Lemmas
from photos.metadata.spelling import keyword_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imageworks.personal_tagger.vocabulary import Term, Vocabulary

_ROUNDING: Final = 1e-9
"""0.7 times 10 answers is not to ask for an eighth."""


@dataclass(frozen=True)
class KeywordRules:
    """How keywords are chosen.

    Attributes:
        vocabulary: The controlled one; None where every word is welcome.
        strict: Only the vocabulary's own terms are written.
        lemmas: How forms of one word are told.
        agreement: The share of answers that have to give a word, 0-1.
    """

    vocabulary: Vocabulary | None = None
    strict: bool = False
    lemmas: Lemmas = field(default_factory=Lemmas)
    agreement: float = 0.5


@dataclass(frozen=True)
class SettledKeywords:
    """What a photo's answers come to.

    Attributes:
        keywords: To be written, each once; behind a term of the vocabulary the keywords that it lies under.
        paths: Where terms lie, each `A|B|C`, of those that lie under another.
        suggestions: Words that the vocabulary does not have, for a person to look at; unless it is strict, they are
            among the keywords too. Empty without a vocabulary.
        confidence: Of each keyword, the share of answers that gave it, 0-1.
    """

    keywords: tuple[str, ...]
    paths: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    confidence: tuple[float, ...] = ()


def settle_keywords(
    answers: Sequence[Sequence[str]], rules: KeywordRules, *, most: int | None = None
) -> SettledKeywords:
    """One photo's keywords, from the answers of all its samples.

    Two answers agree on a word when the vocabulary takes both for one term, or when they are forms of one word. The
    most agreed on comes first, and of equals the one that was named first.

    Args:
        answers: One or more, each of normalized keywords.
        rules: How they are chosen.
        most: Words at most, without those that a term brings along.
    """
    found: dict[str, _Word] = {}
    for number, answer in enumerate(answers):
        for place, word in enumerate(_words(answer, rules)):
            found.setdefault(word.key, word).named_by.setdefault(number, place)
    needed = rules.agreement * len(answers) - _ROUNDING
    agreed = sorted(
        (word for word in found.values() if len(word.named_by) >= needed),
        key=lambda word: (-len(word.named_by), sum(word.named_by.values()) / len(word.named_by)),
    )[:most]
    only_terms = rules.strict and rules.vocabulary is not None
    written = [word for word in agreed if word.term is not None or not only_terms]
    confidence: dict[str, tuple[str, float]] = {}
    for word in written:
        share = len(word.named_by) / len(answers)
        for name in (word.name, *reversed(word.term.above if word.term else ())):
            # A keyword is as sure as the surest that lies under it, and that comes first.
            confidence.setdefault(keyword_key(name), (name, share))
    return SettledKeywords(
        keywords=tuple(name for name, _ in confidence.values()),
        paths=tuple(word.term.path for word in written if word.term and word.term.above),
        suggestions=tuple(word.name for word in agreed if word.term is None) if rules.vocabulary else (),
        confidence=tuple(share for _, share in confidence.values()),
    )


@dataclass
class _Word:
    """A word of some answers.

    Attributes:
        key: What its forms have in common.
        name: As it is written.
        term: What the vocabulary has it as.
        named_by: Its place in each answer that gave it, by the answer's number.
    """

    key: str
    name: str
    term: Term | None = None
    named_by: dict[int, int] = field(default_factory=dict)


def _words(answer: Iterable[str], rules: KeywordRules) -> Iterator[_Word]:
    """An answer's words as they are counted, without those that are never written."""
    vocabulary, lemmas = rules.vocabulary, rules.lemmas
    spelled: dict[str, str] = {}
    for keyword in answer:
        if vocabulary is not None and vocabulary.forbids(keyword, lemmas):
            continue
        term = vocabulary.find(keyword, lemmas) if vocabulary is not None else None
        if term is not None:
            yield _Word(term.path, term.name, term)
            continue
        own, key = keyword_key(keyword), lemmas.key(keyword, names=True)
        # Who says `glass` and `glasses` in one breath means both.
        yield _Word(key if spelled.setdefault(key, own) == own else own, keyword)
