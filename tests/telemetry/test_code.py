"""Which code ran, asked of real repositories."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import pytest

from telemetry.code import describe_code


def _git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path):
    _git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("ignored/\n", encoding="utf-8")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_commit_is_named_and_has_no_difference(repository):
    facts = describe_code(repository)
    assert len(facts.git_sha) == 40
    assert (facts.git_dirty, facts.git_dirty_digest) == (False, None)


def test_python_and_the_packages_are_named(repository):
    facts = describe_code(repository)
    assert facts.python == platform.python_version()
    assert facts.packages["duckdb"]


def test_an_edit_and_another_edit_have_different_digests(repository):
    digests = set()
    for text in ("a = 2\n", "a = 3\n"):
        (repository / "a.py").write_text(text, encoding="utf-8")
        digests.add(describe_code(repository).git_dirty_digest)
    assert len(digests - {None}) == 2


def test_an_untracked_file_and_its_content_count(repository):
    digests = set()
    for text in ("b = 1\n", "b = 2\n"):
        (repository / "b.py").write_text(text, encoding="utf-8")
        digests.add(describe_code(repository).git_dirty_digest)
    assert len(digests - {None}) == 2


def test_an_ignored_file_does_not_count(repository):
    (repository / "ignored").mkdir()
    (repository / "ignored" / "x").write_text("x", encoding="utf-8")
    assert describe_code(repository).git_dirty_digest is None


def test_a_folder_in_the_repository_tells_the_same_as_its_top(repository):
    (repository / "b.py").write_text("b = 1\n", encoding="utf-8")
    (repository / "sub").mkdir()
    assert describe_code(repository / "sub") == describe_code(repository)


def test_a_repository_cannot_make_us_run_its_programs(repository):
    witness = repository / "ignored"
    for name in ("core.fsmonitor", "diff.external"):
        _git(repository, "config", name, f"touch {witness}")
    (repository / "a.py").write_text("a = 2\n", encoding="utf-8")
    assert describe_code(repository).git_dirty
    assert not witness.exists()


@pytest.mark.parametrize("failing", ["diff", "ls-files"])
def test_where_git_cannot_tell_the_difference_it_is_unknown(
    repository, tmp_path_factory, monkeypatch, failing
):
    folder = tmp_path_factory.mktemp("bin")
    (folder / "git").write_text(
        f'#!/bin/sh\nfor word in "$@"; do [ "$word" = {failing} ] && exit 128; done\n'
        f'exec {shutil.which("git")} "$@"\n',
        encoding="utf-8",
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    facts = describe_code(repository)
    assert len(facts.git_sha) == 40
    assert (facts.git_dirty, facts.git_dirty_digest) == (None, None)


def test_outside_a_repository_there_are_no_git_facts(tmp_path):
    facts = describe_code(tmp_path)
    assert (facts.git_sha, facts.git_dirty, facts.git_dirty_digest) == (None, None, None)


def test_without_git_there_are_no_git_facts(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert describe_code(repository).git_sha is None
