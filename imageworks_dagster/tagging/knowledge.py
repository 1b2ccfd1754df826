"""What a library's settings say about keywords: the vocabulary, its language, how many samples have to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageworks.personal_tagger.lemmas import Lemmas
from imageworks.personal_tagger.settling import KeywordRules
from imageworks.personal_tagger.vocabulary_file import load_vocabulary

if TYPE_CHECKING:
    from store.settings import Settings


def keyword_rules(settings: Settings) -> KeywordRules:
    """How keywords are chosen, by the settings in force.

    Raises:
        imageworks.errors.VocabularyFileError: the vocabulary cannot be used; names file and lines.
        imageworks.errors.UnknownLanguage: there are no tables for the language.
    """
    return KeywordRules(
        vocabulary=load_vocabulary(settings.vocabulary) if settings.vocabulary is not None else None,
        strict=settings.vocabulary_strict,
        lemmas=Lemmas(settings.keyword_language),
        agreement=settings.keyword_agreement if settings.keyword_samples > 1 else 0.0,
    )
