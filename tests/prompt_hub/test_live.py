"""A hub that goes on: read anew in one step, or left as it was."""

from __future__ import annotations

import os
import threading

import pytest

from prompt_hub.errors import ProfileFileError
from prompt_hub.hub import PromptHub
from prompt_hub.live import LiveHub

WARM = "id: library\nstages: {keywords: {parameters: {temperature: 0.7}}}\n"
CHILD = "id: child\nextends: library\n"


@pytest.fixture
def live(user_folder):
    user_folder.write("library.yaml", WARM)
    user_folder.write("child.yaml", CHILD)
    return LiveHub(user_folder.path)


def test_a_reload_serves_the_edit_and_tells_what_it_changed(live, user_folder):
    before = live.current
    user_folder.write("library.yaml", WARM.replace("0.7", "0.6"))
    told = live.reload()
    assert live.current.get("library").stage("keywords").parameters["temperature"] == 0.6
    assert told.changed == {
        # The shipped storyteller extends library, and so does the child.
        name: (before.hashes[name], live.current.hashes[name])
        for name in ("child", "library", "storyteller")
    }
    assert (told.before, told.after) == (before.version, live.current.version)


def test_whoever_has_taken_the_hub_keeps_what_they_took(live, user_folder):
    taken = live.current
    user_folder.write("library.yaml", WARM.replace("0.7", "0.6"))
    live.reload()
    assert taken.get("library").stage("keywords").parameters["temperature"] == 0.7


def test_profiles_that_come_and_go_are_told(live, user_folder):
    user_folder.write("new.yaml", "id: fresh\nextends: library\n")
    (user_folder.path / "child.yaml").unlink()
    changed = live.reload().changed
    assert changed["fresh"] == (None, live.current.hashes["fresh"])
    assert changed["child"][1] is None


@pytest.mark.parametrize(
    "broken", ["id: [", "id: library\nstages: {keywords: {user: '{{ nobody }}'}}\n", "id: library\nx: 1\n"]
)
def test_what_is_broken_is_told_and_the_hub_serves_on_as_it_was(live, user_folder, broken):
    before = live.current
    user_folder.write("library.yaml", broken)
    for _ in range(2):
        with pytest.raises(ProfileFileError, match=r"library\.yaml"):
            live.reload()
        assert live.current is before
    user_folder.write("library.yaml", WARM)
    assert live.reload().changed == {}


def test_an_edit_that_keeps_time_and_size_is_seen(live, user_folder):
    file = user_folder.path / "library.yaml"
    status = file.stat()
    user_folder.write("library.yaml", WARM.replace("0.7", "0.8"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    live.reload()
    assert live.current.get("library").stage("keywords").parameters["temperature"] == 0.8


def test_a_reload_is_what_a_load_would_be(live, user_folder):
    for number in range(5):
        user_folder.write(f"p{number}.yaml", f"id: p{number}\nextends: child\n")
    live.reload()
    user_folder.write("p3.yaml", "id: p3\nextends: p4\ndescription: Moved.\n")
    live.reload()
    fresh = PromptHub.load(user_folder.path)
    assert live.current.profiles == fresh.profiles
    assert live.current.provenance == fresh.provenance


def test_readers_see_one_state_or_the_other_while_it_is_reloaded(live, user_folder):
    seen, over = set(), threading.Event()

    def look():
        while not over.is_set():
            hub = live.current
            seen.add((hub.get("library").hash, hub.get("child").stage("keywords").parameters["temperature"]))

    reader = threading.Thread(target=look)
    reader.start()
    for warmth in ("0.1", "0.2", "0.3"):
        user_folder.write("library.yaml", WARM.replace("0.7", warmth))
        live.reload()
    over.set()
    reader.join()
    assert len({digest for digest, _ in seen}) == len(seen)
