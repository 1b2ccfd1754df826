"""The command `edit`: a profile's file in the user's own editor, saved if it is right and nobody else changed it."""

import difflib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import typer

from prompt_hub.editing import ReadFile, SavedFile, read_file, save_file
from prompt_hub.errors import FileMoved, NoEditor, ProfileCycle, ProfileFileError
from prompt_hub.revision_commands import HomeOption, ProfileArgument, warn_of
from store.home import Home
from store.settings import Settings


def edit(profile_id: ProfileArgument, *, home: HomeOption = None) -> None:
    """Edit your layer of a profile with $VISUAL or $EDITOR. Nothing that you wrote is lost."""
    folder = Home.of(Settings() if home is None else Settings(home=home)).prompts
    before = read_file(folder, profile_id)
    program = _editor()
    draft = Path(tempfile.mkdtemp(prefix="prompt-")) / f"{profile_id}.yaml"
    draft.write_bytes((before.text or _beginning(profile_id)).encode())
    try:
        saved = _edited(folder, profile_id, before, draft, program)
    except BaseException:
        typer.echo(f"What you wrote is in {draft}.", err=True)
        raise
    draft.unlink()
    draft.parent.rmdir()
    if saved is None:
        typer.echo("Nothing was changed.")
        return
    warn_of(saved.hub.doubts.get(profile_id, ()))
    typer.echo(f"{saved.path} is saved.")


def _edited(
    folder: Path, profile_id: str, before: ReadFile, draft: Path, program: list[str]
) -> SavedFile | None:
    """Let it be edited until it can be saved, or nobody wants to go on; None if nothing was changed."""
    begun = draft.read_bytes()
    while True:
        _run(program, draft)
        written = draft.read_bytes()
        if written == begun:
            return None
        try:
            return save_file(folder, profile_id, _text(draft, written), expected=before.digest)
        except (ProfileFileError, ProfileCycle) as error:
            _offer_again(error)
        except FileMoved as error:
            now = read_file(folder, profile_id)
            typer.echo(_difference(before, now), err=True, nl=False)
            _offer_again(error)
            # Who goes on has seen what is there now.
            before = now


def _text(draft: Path, written: bytes) -> str:
    try:
        return written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoEditor(f"The editor did not save {draft} as UTF-8: {error.reason}.") from error


def _offer_again(error: Exception) -> None:
    typer.echo(str(error), err=True)
    try:
        again = typer.confirm("Edit again?", default=True, err=True)
    except typer.Abort:
        # Nobody is there to answer.
        again = False
    if not again:
        raise error


def _difference(before: ReadFile, now: ReadFile) -> str:
    first, second = (text.splitlines(keepends=True) for text in (before.text, now.text))
    return "".join(difflib.unified_diff(first, second, fromfile="as you read it", tofile="as it is now"))


def _editor() -> list[str]:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    program = shlex.split(named)
    if not program:
        raise NoEditor("No editor is named. Name yours in VISUAL or EDITOR, such as EDITOR=nano.")
    return program


def _run(program: list[str], draft: Path) -> None:
    try:
        code = subprocess.run([*program, str(draft)], check=False).returncode  # noqa: S603 - the user's own editor
    except OSError as error:
        raise NoEditor(
            f"The editor {program[0]} cannot be started: {error.strerror or error}. Name another in VISUAL or EDITOR."
        ) from error
    if code != 0:
        raise NoEditor(f"The editor {program[0]} ended with code {code}; nothing was saved.")


def _beginning(profile_id: str) -> str:
    return f"# Your layer of {profile_id}: what stands here goes above what is shipped.\nid: {profile_id}\n"
