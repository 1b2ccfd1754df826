"""The `imageworks` command as a person at a terminal gives it, in this process."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from imageworks_dagster.command.app import run
from imageworks_dagster.opened import close_stores


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


def imageworks(home, *arguments, **environment):
    """Run the command in this process, as the installed script does."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        for name in [name for name in os.environ if name.startswith("IMAGEWORKS_")]:
            patched.delenv(name)
        # Set first, so that what the command sets is taken back too.
        patched.setenv("DAGSTER_HOME", "")
        patched.delenv("DAGSTER_HOME")
        for name, value in {"IMAGEWORKS_HOME": str(home), **environment}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["imageworks", *map(str, arguments)])
        try:
            run()
            code = 0
        except SystemExit as leaving:
            code = leaving.code or 0
        finally:
            close_stores()
    return Said(code, out.getvalue(), err.getvalue())


def complaint(said, *parts, code=1):
    """The command failed in words, these among them, and without a stack trace."""
    assert said.code == code, said
    assert "Traceback" not in said.err + said.out
    for part in parts:
        assert unwrapped(part) in unwrapped(said.err), (part, said.err)


def unwrapped(text):
    """Text without white space and the boxes around errors: where a terminal ends its lines says nothing."""
    return "".join(re.sub("[\u2500-\u257f]", "", text).split())
