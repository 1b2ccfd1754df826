"""tagger/keywords: normalized keywords a photo, of the vocabulary where there is one, beside the photographer's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imageworks.personal_tagger.settling import KeywordRules, settle_keywords
from imageworks.personal_tagger.tagging import keywords_variables, most_keywords, read_keywords, tagging_facts
from imageworks_dagster.tables import signal_values
from imageworks_dagster.tagging.knowledge import keyword_rules
from imageworks_dagster.tagging.questions import PhotoAsking, ask_each_photo, photo_variables

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from imageworks_dagster.stages import Outcome, Row, Stage
    from prompt_hub.schema import StageTemplate

MOST_TOLD: Final = 200
"""Keywords of a vocabulary that travel in a prompt; a longer one is only what answers are held against."""


def keyword_photos(stage: Stage) -> Outcome:
    """One row a photo."""
    rules, samples = keyword_rules(stage.settings), stage.settings.keyword_samples
    return ask_each_photo(stage, lambda template: keywords_asking(template, rules=rules, samples=samples))


def vocabulary_variable(rules: KeywordRules, declared: Container[str]) -> dict[str, list[str]]:
    """The vocabulary for a prompt that asks for it; nothing where it is too long to be told with every photo."""
    terms = rules.vocabulary.terms if rules.vocabulary is not None else ()
    if "vocabulary" not in declared or not 0 < len(terms) <= MOST_TOLD:
        return {}
    return {"vocabulary": list(dict.fromkeys(term.name for term in terms))}


def keywords_asking(
    template: StageTemplate, *, rules: KeywordRules | None = None, samples: int = 1
) -> PhotoAsking:
    """How keywords are asked for, and chosen of the answers; how many at most, the profile says."""
    most = most_keywords(template.output)
    chosen_by = rules or KeywordRules()

    def settle(answers: Sequence[Any]) -> Row:
        settled = settle_keywords(answers, chosen_by, most=most)
        vocabulary = chosen_by.vocabulary
        return {
            "keywords": list(settled.keywords),
            "keyword_paths": list(settled.paths),
            "suggestions": list(settled.suggestions),
            "keyword_confidence": list(settled.confidence) if samples > 1 else None,
            "samples": samples,
            "vocabulary_digest": vocabulary.digest if vocabulary is not None else None,
        }

    return PhotoAsking(
        template=template,
        column="keywords",
        before=("tagger/captions",),
        variables=lambda photo, mine: {
            **keywords_variables(
                photo_variables(photo), caption=mine["tagger/captions"]["caption"], max_keywords=most
            ),
            **vocabulary_variable(chosen_by, template.variables),
        },
        measured=lambda photo, _: tagging_facts(
            "keywords",
            signals=signal_values(photo),
            width=photo["width"],
            height=photo["height"],
            max_keywords=most,
        ),
        read=lambda data: list(read_keywords(data, max_keywords=most)),
        samples=samples,
        settle=settle,
    )
