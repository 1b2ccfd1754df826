"""A folder of test files, and profiles to test."""

from __future__ import annotations

import pytest

from prompt_hub.testing.case_files import load_case_sets
from prompt_hub.testing.targets import Target

CASE = """\
      - description: a plain landscape
        stage: caption
        vars: {title: Low tide}
        assert: [{type: contains, value: Low tide}]
"""


@pytest.fixture
def tests_folder(tmp_path):
    """The user's tests; `write(text)` puts a file into it, `sets()` reads all files but the shipped ones."""

    class Folder:
        prompts = tmp_path / "prompts"
        path = prompts / "tests"

        def write(self, text, name="made.yaml"):
            self.path.mkdir(parents=True, exist_ok=True)
            file = self.path / name
            file.write_text(text, encoding="utf-8")
            return file

        def one_set(self, cases=CASE, **options):
            said = "".join(f"    {name}: {value}\n" for name, value in {"mode": "static", **options}.items())
            return self.write(f"profile: made\nsets:\n  form:\n{said}    tests:\n{cases}")

        def sets(self):
            return [one for one in load_case_sets(self.prompts) if one.by_user]

    return Folder()


@pytest.fixture
def target(profile_of):
    return Target("made", profile_of(images=0))
