"""The commands that a person may want to give next, written so that they can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VERBS = {"judge": "judge", "tagger": "tag"}
"""Command by pipeline."""

PLAIN = frozenset(string.ascii_letters + string.digits + " /._-")


def run_command(pipeline: str, folder: Path, batch: str, *options: str) -> str:
    """The command that runs a batch again, with options such as ``--apply``."""
    words = map(shlex.quote, options)
    return " ".join(["imageworks", VERBS[pipeline], shell_word(folder), "--batch", batch, *words])


def publish_command(pipeline: str, batch: str) -> str:
    """The command that closes a batch."""
    return " ".join(
        ["imageworks", "publish", batch, *([] if pipeline == "judge" else ["--pipeline", pipeline])]
    )


def choice_options(
    *, profile: str, model: str, iqa_model: str = "", judges: str = "", fresh: bool
) -> list[str]:
    """The options that were given for what a run asks with: until its first stage began, nothing else knows them."""
    named = {"--profile": profile, "--model": model, "--judges": judges, "--iqa-model": iqa_model}
    return [
        *(word for option, value in named.items() if value for word in (option, value)),
        *(["--fresh"] if fresh else []),
    ]


def shell_word(path: Path) -> str:
    """A path as one word of a shell's line."""
    text = os.fspath(path)
    if text.isprintable():
        return shlex.quote(text)
    # Control characters, and bytes that are no text: the form that bash and zsh read back.
    return "$'" + "".join(_escaped(byte) for byte in os.fsencode(text)) + "'"


def _escaped(byte: int) -> str:
    character = chr(byte)
    return character if character in PLAIN else f"\\x{byte:02x}"
