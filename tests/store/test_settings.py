"""Settings: read from the environment, refused in words, printed without secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url

from store.errors import SettingsError
from store.settings import Settings, unknown_variables, variable
from store.state_url import MASK, masked_url


def test_with_nothing_set_the_home_is_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings().home == tmp_path / ".imageworks"


def test_a_variable_sets_its_field(monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_CONCURRENCY", "3")
    monkeypatch.setenv("IMAGEWORKS_BYTES_IN_FLIGHT", "2MiB")
    monkeypatch.setenv("IMAGEWORKS_ALLOW_REMOTE", "true")
    settings = Settings()
    assert (settings.concurrency, settings.bytes_in_flight, settings.allow_remote) == (3, 2 * 1024**2, True)


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_INBOX", "")
    assert Settings().inbox is None


def test_paths_become_absolute_and_know_the_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    settings = Settings(home=Path("a"), inbox=Path("~/in"))
    assert (settings.home, settings.inbox) == (tmp_path / "a", tmp_path / "me" / "in")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("IMAGEWORKS_CONCURRENCY", "many", ["'many'", "valid integer", "The default is 8"]),
        ("IMAGEWORKS_CONCURRENCY", "0", ["greater than or equal to 1"]),
        ("IMAGEWORKS_PREVIEW_QUALITY", "101", ["less than or equal to 100"]),
        ("IMAGEWORKS_LEASES", "always", ["'off'"]),
        ("IMAGEWORKS_BYTES_IN_FLIGHT", "some", ["'some'"]),
        ("IMAGEWORKS_STATE_URL", "mysql://u:hunter2@h/d", ["postgresql://user:password@host"]),
        ("IMAGEWORKS_STATE_URL", "postgresql://u:hunter2@h:port/d", ["is not a URL"]),
        ("IMAGEWORKS_STATE_URL", "postgresql://u:42/hunter2@h/d", ["is not a URL", "%2F for a /"]),
    ],
)
def test_a_bad_value_is_refused_with_its_variable_the_problem_and_what_is_right(
    monkeypatch, name, value, words
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings()
    message = str(caught.value)
    assert message.startswith(name)
    for word in words:
        assert word in message
    assert "hunter2" not in message


def test_several_bad_values_are_told_at_once(monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_ATTEMPTS", "x")
    monkeypatch.setenv("IMAGEWORKS_MAX_PIXELS", "y")
    with pytest.raises(SettingsError, match=r"IMAGEWORKS_ATTEMPTS[^\n]*\n.*IMAGEWORKS_MAX_PIXELS"):
        Settings()


def test_a_misspelled_name_in_code_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match=r"no setting `concurency`\. Did you mean `concurrency`"):
        Settings(concurency=3)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().concurrency = 9


def test_every_setting_says_what_it_is_for():
    for name, field in Settings.model_fields.items():
        assert field.description, variable(name)
        assert field.description.endswith(".")


def test_printing_masks_secrets_and_gives_plain_values():
    settings = Settings(
        home=Path("/homes/h\udce9"), state_url=SecretStr("postgresql://me:hun%40ter2@db:5432/x?password=p")
    )
    plain = settings.masked()
    assert plain["state_url"] == f"postgresql://me:{MASK}@db:5432/x?password={MASK}"
    assert plain["home"] == "/homes/h%E9"
    assert {type(value) for value in plain.values()} <= {str, int, float, bool, type(None)}
    assert sorted(plain) == sorted(Settings.model_fields)
    assert next(iter(plain)) == "home"
    for secret in ("hun", "ter2"):
        assert secret not in repr(settings)


def test_a_url_without_password_is_printed_as_it_is():
    assert masked_url("postgresql://me@db/x?sslmode=require") == "postgresql://me@db/x?sslmode=require"


plain_parts = st.sampled_from(["me", "db", "s3cret", "s3%2Fcret", "42", "x=1", "password=s3cret&sslmode=s3"])
wild_parts = st.lists(
    st.sampled_from(["s3cret", "me", "42", *":@/?#&= \n[]", "%2F", "%40", "::1", "password=", "é"]),
    max_size=4,
).map("".join)


def parted(*marks):
    """Parts with these marks between them, any of which may be missing."""
    between = [st.sampled_from([mark, mark, ""]) for mark in marks]
    parts = [plain_parts | wild_parts for _ in range(len(marks) + 1)]
    return st.tuples(*(one for pair in zip(parts, between, strict=False) for one in pair), parts[-1]).map(
        "".join
    )


def shown_of(url):
    """The URL as it is printed, or the refusal."""
    try:
        return Settings(state_url=SecretStr(url)).masked()["state_url"]
    except SettingsError as refused:
        return str(refused)


@given(parted(":", "@", ":", "/", "?"))
def test_what_is_shown_of_a_url_reads_as_the_same_place_without_its_passwords(rest):
    url = f"postgresql://{rest}"
    shown = shown_of(url)
    if shown.startswith("IMAGEWORKS_STATE_URL"):
        assert "s3cret" not in shown
        return
    # Read as the driver's side reads it, whatever this module thinks of it.
    meant, told = make_url(url), make_url(shown)
    assert told.password == (None if meant.password is None else MASK)
    for part in ("username", "host", "port", "database"):
        assert getattr(told, part) == getattr(meant, part)
    for key, values in told.normalized_query.items():
        secret = "password" in key
        assert values == ((MASK,) * len(values) if secret else meant.normalized_query[key])


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_password_that_is_quoted_is_taken_whole_and_never_shown(before, after):
    password = f"{before}s3cret{after}"
    url = f"postgresql://me:{quote(password, safe='')}@db:5432/x"
    assert make_url(url).password == password
    assert masked_url(url) == f"postgresql://me:{MASK}@db:5432/x"


def test_what_is_no_url_is_masked_as_a_whole():
    assert masked_url("postgresql://me:42/s3cret@db/x") == MASK


def test_variables_that_no_setting_reads_are_found():
    environ = {"IMAGEWORKS_HOME": "", "imageworks_inbox": "", "IMAGEWORKS_MODEL_PATH": "", "PATH": ""}
    assert unknown_variables(environ) == ["IMAGEWORKS_MODEL_PATH"]


def test_importing_the_settings_imports_nothing_heavy():
    code = "import sys, store.settings, store.home; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"sqlalchemy", "alembic", "pyarrow", "numpy", "pandas", "duckdb"}


@pytest.mark.parametrize("url", ["chat.example/T0K3N", "https://me:T0K3N@chat.example", "ftp://chat/T0K3N"])
def test_a_webhook_that_is_no_url_is_refused_without_being_quoted(url):
    with pytest.raises(SettingsError, match="IMAGEWORKS_ALERT_WEBHOOK_URL: is no URL") as told:
        Settings(alert_webhook_url=url)
    assert "T0K3N" not in str(told.value)


@pytest.mark.parametrize("text", ["somebody", "a@b, ,c@d", "a@b\nBcc: c@d", ""])
def test_alerts_go_to_addresses_alone(text):
    with pytest.raises(SettingsError, match=r"IMAGEWORKS_ALERT_EMAIL_TO .* is no address"):
        Settings(alert_email_to=text)
