"""Profiles that were checked before, kept for the next start."""

from __future__ import annotations

import logging

import pytest

from prompt_hub import caching
from prompt_hub.errors import ProfileFileError
from prompt_hub.hub import PromptHub


@pytest.fixture
def cache(user_folder, tmp_path):
    user_folder.write("mine.yaml", "id: library\nstages: {keywords: {parameters: {temperature: 0.7}}}\n")
    return tmp_path / "cache" / "prompts.json"


@pytest.fixture
def loads(monkeypatch):
    """How often everything was read and checked."""
    counted = []
    load = PromptHub.load

    def counting(*arguments, **named):
        counted.append(arguments)
        return load(*arguments, **named)

    monkeypatch.setattr(PromptHub, "load", counting)
    return counted


def test_the_second_start_checks_nothing_and_has_the_same(user_folder, cache, loads):
    first = PromptHub.load_cached(user_folder.path, cache)
    second = PromptHub.load_cached(user_folder.path, cache)
    assert len(loads) == 1
    assert dict(second.profiles) == dict(first.profiles)
    assert second.provenance == first.provenance
    assert (second.version, second.hashes) == (first.version, first.hashes)
    assert {name: profile.hash for name, profile in second.profiles.items()} == second.hashes


@pytest.mark.parametrize("change", ["edit", "add", "remove", "code"])
def test_whatever_changed_is_read_anew(user_folder, cache, loads, monkeypatch, change):
    PromptHub.load_cached(user_folder.path, cache)
    if change == "edit":
        user_folder.write("mine.yaml", "id: library\ndescription: Mine.\n")
    elif change == "add":
        user_folder.write("more.yaml", "id: more\nextends: library\n")
    elif change == "remove":
        (user_folder.path / "mine.yaml").unlink()
    else:
        monkeypatch.setattr(caching, "_code", lambda: "another")
    hub = PromptHub.load_cached(user_folder.path, cache)
    assert len(loads) == 2
    assert dict(hub.profiles) == dict(PromptHub.load(user_folder.path).profiles)


@pytest.mark.parametrize("damage", [b"", b"{}", b"0" * 64 + b"{}", b"\xff" * 99])
def test_a_damaged_cache_is_made_anew(user_folder, cache, loads, damage):
    PromptHub.load_cached(user_folder.path, cache)
    cache.write_bytes(damage)
    PromptHub.load_cached(user_folder.path, cache)
    PromptHub.load_cached(user_folder.path, cache)
    assert len(loads) == 2


def test_what_is_broken_is_told_as_ever_and_not_kept(user_folder, cache):
    user_folder.write("mine.yaml", "id: library\nx: 1\n")
    with pytest.raises(ProfileFileError, match="mine"):
        PromptHub.load_cached(user_folder.path, cache)
    assert not cache.exists()


def test_where_nothing_can_be_kept_that_is_logged(user_folder, cache, caplog):
    cache.parent.write_text("in the way", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        hub = PromptHub.load_cached(user_folder.path, cache)
    assert hub.get("library").stage("keywords").parameters["temperature"] == 0.7
    assert "could not be cached" in caplog.text


def test_reading_makes_no_home(tmp_path):
    PromptHub.load_cached(tmp_path / "home" / "prompts", tmp_path / "home" / "cache" / "prompts.json")
    assert not (tmp_path / "home").exists()
