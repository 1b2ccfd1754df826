from __future__ import annotations

import pytest

from prompt_hub.schema import PromptProfile


@pytest.fixture
def profile_of():
    """Makes a profile of one stage from what differs from a plain one."""

    def make(**changes):
        stage = {
            "system": "You look at photographs.",
            "user": "<title>{{ title }}</title>",
            "variables": {"title": {"schema": {"type": "string"}}},
            "output": {
                "type": "object",
                "additionalProperties": False,
                "required": ["caption"],
                "properties": {"caption": {"type": "string"}},
            },
        }
        return PromptProfile.model_validate(
            {"id": "made", "application": "personal_tagger", "stages": {"caption": {**stage, **changes}}}
        )

    return make


@pytest.fixture
def user_folder(tmp_path):
    """A user's layer; `write(name, text)` puts a file into it."""

    class Folder:
        path = tmp_path / "prompts"

        def write(self, name, text):
            self.path.mkdir(exist_ok=True)
            file = self.path / name
            file.write_text(text, encoding="utf-8")
            return file

    return Folder()
