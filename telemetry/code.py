"""Which code ran: commit, digest of what differs from it, versions of Python and of its packages."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

_TIMEOUT_S = 20
_WHOLE_FILE_BYTES = 8 * 1024 * 1024
# A repository's own configuration can name programs that git would start for these.
_NO_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """The code of a run.

    Attributes:
        git_sha: Commit, None outside a git repository.
        git_dirty: Whether the code differs from the commit; None where git cannot tell.
        git_dirty_digest: SHA-256 of the difference, untracked files included; None if there is none, or
            git cannot tell.
        python: Version of Python.
        packages: Installed packages and their versions.
    """

    git_sha: str | None
    git_dirty: bool | None
    git_dirty_digest: str | None
    python: str
    packages: dict[str, str]


def describe_code(root: Path) -> CodeFacts:
    """The facts of the code in `root`. Outside a repository, or without git, the git facts are None."""
    sha = _git(root, "rev-parse", "--verify", "HEAD")
    dirty, digest = (None, None) if sha is None else _difference(root)
    return CodeFacts(
        git_sha=None if sha is None else sha.decode("ascii").strip(),
        git_dirty=dirty,
        git_dirty_digest=digest,
        python=platform.python_version(),
        packages=dict(_packages()),
    )


def _difference(root: Path) -> tuple[bool | None, str | None]:
    """Whether the code differs from the commit, and the digest of how."""
    difference = _git(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color")
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/")
    top = _git(root, "rev-parse", "--show-toplevel")
    if difference is None or listed is None or top is None:
        return None, None
    untracked = sorted(name for name in listed.split(b"\0") if name)
    if not difference and not untracked:
        return False, None
    digest = hashlib.sha256(difference)
    folder = Path(os.fsdecode(top.rstrip(b"\n")))
    for name in untracked:
        digest.update(b"\0" + name + b"\0" + _content_digest(folder / os.fsdecode(name)))
    return True, digest.hexdigest()


def _content_digest(path: Path) -> bytes:
    try:
        facts = path.lstat()
        if path.is_symlink():
            return hashlib.sha256(os.fsencode(path.readlink())).digest()
        if not path.is_file() or facts.st_size > _WHOLE_FILE_BYTES:
            # A large file is no code; size and time tell well enough that it changed.
            return b"%d %d" % (facts.st_size, facts.st_mtime_ns)
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        return f"unreadable {error.errno}".encode()


def _git(root: Path, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", *_NO_PROGRAMS, *arguments],  # noqa: S607 - the git on the PATH is the user's own
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@cache
def _packages() -> tuple[tuple[str, str], ...]:
    return tuple(sorted({item.name: item.version for item in distributions()}.items()))
