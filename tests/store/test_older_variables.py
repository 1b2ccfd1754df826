"""Variables of the proxy-orchestrated set-up: read where ours say the same, explained where they do not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from store.errors import SettingsError
from store.older_variables import TABLE
from store.settings import Settings, unknown_variables, variable

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


def test_a_variable_of_ours_goes_before_an_older_one(monkeypatch):
    monkeypatch.setenv("CHAT_PROXY_PORT", "8100")
    monkeypatch.setenv("CHAT_PROXY_BACKEND_TIMEOUT_MS", "45500")
    assert (Settings().gateway_port, Settings().request_timeout_s) == (8100, 45.5)

    monkeypatch.setenv("IMAGEWORKS_GATEWAY_PORT", "8701")
    assert Settings().gateway_port == 8701
    assert Settings(gateway_port=0).gateway_port == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAT_PROXY_PORT", "99999"),
        ("CHAT_PROXY_BACKEND_TIMEOUT_MS", "soon"),
        ("CHAT_PROXY_BACKEND_TIMEOUT_MS", "nan"),
    ],
)
def test_an_older_value_that_cannot_be_used_is_named_as_it_was_set(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        Settings()


def test_an_empty_one_counts_as_unset(monkeypatch):
    monkeypatch.setenv("CHAT_PROXY_PORT", "")
    assert Settings().gateway_port == 8700


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_each_has_a_row_in_the_settings_page_and_names_settings_that_exist(one):
    assert f"| `{one.name}` | {one.words} |" in PAGE
    named = set(re.findall(r"IMAGEWORKS_[A-Z_]+", one.words))
    assert named <= {variable(field) for field in Settings.model_fields}
    assert one.setting is None or variable(one.setting) in named
    assert unknown_variables([one.name]) == []
