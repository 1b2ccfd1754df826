"""The home folder: made whole, or refused in words."""

from __future__ import annotations

import pytest

from store.errors import HomeError
from store.home import Home
from store.settings import Settings


def test_creating_a_home_makes_its_folders_and_doing_it_again_is_fine(settings):
    home = Home.of(settings).create().create()
    assert home.root == settings.home
    for folder in (home.assets, home.reports, home.spool, home.events, home.quarantine, home.manifests):
        assert folder.is_dir()
    for folder in (home.locks, home.prompts, home.dagster):
        assert folder.is_dir()
    assert not home.state_db.exists()
    assert not home.registry.exists()
    assert {path.name for path in home.root.iterdir() if path.is_file()} == set()


def test_everything_is_inside_the_home(settings):
    home = Home.of(settings)
    names = [name for name, value in vars(Home).items() if isinstance(value, property)]
    assert all(getattr(home, name).is_relative_to(home.root) for name in names)


def test_a_home_that_cannot_be_made_is_an_error_that_names_the_variable(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(HomeError, match=r"Not a directory.*IMAGEWORKS_HOME"):
        Home.of(Settings(home=tmp_path / "file" / "home")).create()


def test_a_home_under_a_name_that_is_no_utf_8_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(HomeError, match=r"caf%E9 cannot be used: its path is not UTF-8.*IMAGEWORKS_HOME"):
        Home.of(Settings(home=tmp_path / "caf\udce9")).create()
    assert list(tmp_path.iterdir()) == []
