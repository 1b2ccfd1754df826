"""The commands that are told: whole, and ready to be pasted."""

import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo

from imageworks_dagster.command import running
from store.batches import batch, pin


@pytest.fixture
def folder(tmp_path):
    return write_photo(tmp_path / "Round" / "a.jpg", seed=1).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("judge", ["--profile", "club-judge", "--model", "baseline-judge", "--fresh"]),
        ("tag", ["--model", "baseline-tagger", "--fresh", "--apply"]),
    ],
)
def test_the_command_that_goes_on_after_an_interrupt_is_the_whole_one(
    settings, folder, monkeypatch, command, options
):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "observe_now", interrupt)

    said = imageworks(settings.home, command, folder, *options)

    assert said.code == 130
    assert f"go on with:\n  imageworks {command} {folder} --batch round {' '.join(options)}\n" in said.err


@pytest.mark.slow
def test_a_remembered_choice_is_ended_by_default(platform, folder):
    name = platform.register("tagger", folder)
    pin(platform.store.database, "tagger", name, "tagger/captions", model="retired", profile="library")
    home = platform.settings.home
    complaint(imageworks(home, "tag", folder), "Pinned for this batch", "'default' to end that")

    said = imageworks(home, "tag", folder, "--model", "default")

    assert said.code == 0, said.err
    assert batch(platform.store.database, "tagger", name).pins == {"tagger/captions": {"profile": "library"}}
