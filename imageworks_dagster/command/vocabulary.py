"""`imageworks vocabulary`: what a vocabulary's file means, in words, before a photo is tagged by it."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from imageworks.counting import counted
from imageworks_dagster.command.terminal import indented, say
from store.path_text import path_text
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imageworks.personal_tagger.vocabulary import Term, Vocabulary

app = typer.Typer(no_args_is_help=True, help="The keywords that are wanted, in a file of one's own.")
console = Console()

SHOWN = 8
"""Words of more than one meaning that are listed."""


@app.callback()
def whole() -> None:
    """The keywords that are wanted, in a file of one's own."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A plain list, or Lightroom's keyword export.")],
) -> None:
    """Read a vocabulary as a run would, and say what it means; wrong lines are told with their numbers."""
    from imageworks.personal_tagger.lemmas import Lemmas  # noqa: PLC0415 - loads tables of words
    from imageworks.personal_tagger.vocabulary_file import load_vocabulary  # noqa: PLC0415 - as above

    settings = Settings()
    language = Lemmas(settings.keyword_language).language
    say(console, path_text(file), style="bold")
    for line in vocabulary_words(load_vocabulary(file), language=language):
        say(console, indented(line))


def vocabulary_words(vocabulary: Vocabulary, *, language: str) -> Iterator[str]:
    """What a vocabulary means, one sentence a line."""
    terms = vocabulary.terms
    levels = max(len(term.above) for term in terms) + 1
    lying = f" in {levels} levels" if levels > 1 else ""
    yield f"{counted(len(terms), 'keyword')}{lying}, with {_counts(vocabulary)}."
    deepest = max(terms, key=lambda term: len(term.above))
    if deepest.above:
        brings = ", ".join((deepest.name, *reversed(deepest.above)))
        yield f"A photo that is given {deepest.name!r} gets {brings}, and the path {deepest.path}."
    if (called := next((term for term in terms if term.synonyms), None)) is not None:
        yield f"An answer that says {called.synonyms[0]!r} is written as {called.name!r}."
    yield (
        "Words are compared as they are spelled."
        if language == "none"
        else f"Forms of a word are one in the language {language!r}; what is written is always the file's spelling."
    )
    doubles = vocabulary.doubles()
    if doubles:
        yield (
            f"{counted(len(doubles), 'word')} may mean more than one keyword, and then stay a suggestion: nobody can "
            "tell which is meant."
        )
    for word, meant in doubles[:SHOWN]:
        yield f"  {word}: {_places(meant)}"


def _counts(vocabulary: Vocabulary) -> str:
    synonyms = sum(len(term.synonyms) for term in vocabulary.terms)
    categories, forbidden = len(vocabulary.categories), len(vocabulary.forbidden)
    return (
        f"{counted(synonyms, 'synonym')}, {counted(categories, 'category', 'categories')} never written and "
        f"{counted(forbidden, 'forbidden word')}"
    )


def _places(terms: tuple[Term, ...]) -> str:
    return ", ".join(f"{term.path} in line {term.line}" for term in terms)
