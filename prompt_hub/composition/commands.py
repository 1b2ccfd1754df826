"""The command `compose` of `python -m prompt_hub`: a composition is checked and shown, and no model is asked."""

from enum import StrEnum
from typing import Annotated

import typer

from prompt_hub.composition.drawing import as_mermaid, as_text
from prompt_hub.composition.files import composition_named, load_compositions
from prompt_hub.hub import PromptHub
from prompt_hub.revision_commands import HomeOption
from prompt_hub.showing import show
from store.home import Home
from store.settings import Settings


class Drawing(StrEnum):
    """How to show a composition."""

    TEXT = "text"
    MERMAID = "mermaid"


def compose(
    name: Annotated[str | None, typer.Argument(help="Id of a composition; all are listed if none.")] = None,
    form: Annotated[Drawing, typer.Option("--format", help="text or mermaid.")] = Drawing.TEXT,
    *,
    home: HomeOption = None,
) -> None:
    """Check all compositions, and show one: what is asked, with what, and in which case."""
    folders = Home.of(Settings() if home is None else Settings(home=home))
    hub = PromptHub.load_cached(folders.prompts, folders.cached_prompts)
    compositions = load_compositions(folders.prompts, hub.profiles)
    if name is None:
        show(
            ["composition", "nodes", "description"],
            (
                [one.id, " ".join(node.name for node in one.ask_nodes), one.description]
                for one in compositions.values()
            ),
        )
        return
    composition = composition_named(name, compositions)
    typer.echo(as_mermaid(composition) if form is Drawing.MERMAID else as_text(composition), nl=False)
