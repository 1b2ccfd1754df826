"""The hub as a whole."""

from __future__ import annotations

import pytest

from prompt_hub.errors import UnknownProfile
from prompt_hub.hub import PromptHub


def test_profiles_come_in_alphabetical_order_and_cannot_be_replaced():
    hub = PromptHub.load(None)
    assert list(hub.profiles) == sorted(hub.profiles)
    with pytest.raises(TypeError):
        hub.profiles["club-judge"] = None


def test_an_unknown_profile_is_named_with_the_nearest():
    with pytest.raises(UnknownProfile, match=r"'clubjudge'\. Did you mean club-judge\?"):
        PromptHub.load(None).get("clubjudge")
    with pytest.raises(
        UnknownProfile, match="There are club-judge, house, library, self-checking-judge, storyteller"
    ):
        PromptHub.load(None).get("zzz")


def test_the_version_is_of_all_effective_profiles(user_folder):
    shipped = PromptHub.load(None)
    assert len(shipped.version) == 64
    assert PromptHub.load(None).version == shipped.version
    user_folder.write("same.yaml", "id: library\napplication: personal_tagger\n")
    assert PromptHub.load(user_folder.path).version == shipped.version
    user_folder.write("same.yaml", "id: library\ndescription: other\n")
    assert PromptHub.load(user_folder.path).version != shipped.version
