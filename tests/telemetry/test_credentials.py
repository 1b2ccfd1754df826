"""Credentials in URLs are left out, or found."""

from __future__ import annotations

import pytest

from telemetry.credentials import has_password, with_clean_urls, without_credentials


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://host:1/v1", "http://host:1/v1"),
        ("https://user@host/", "https://host/"),
        ("http://a:b@[::1]:8/x?token=1", "http://[::1]:8/x"),
    ],
)
def test_a_url_without_credentials_says_where_and_nothing_else(url, clean):
    assert without_credentials(url) == clean


def test_texts_that_are_no_urls_stay_as_they_are():
    value = {"name": "a:b@c", "count": 1, "urls": ["http://user:secret@host/x", "see http://a:b@host"]}
    assert with_clean_urls(value) == {
        "name": "a:b@c",
        "count": 1,
        "urls": ["http://host/x", "see http://a:b@host"],
    }


@pytest.mark.parametrize(
    ("value", "has"),
    [
        ({"deployments": [{"base_url": "${URL:-http://user:secret@host}"}]}, True),
        ({"deployments": [{"base_url": "http://user@host"}], "size": 1}, False),
    ],
)
def test_a_password_is_found_wherever_it_stands(value, has):
    assert has_password(value) is has
