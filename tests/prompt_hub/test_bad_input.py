"""Whatever is wrong with a user's files has a named error, and a hub that runs on serves on as it was."""

from __future__ import annotations

import pytest

from prompt_hub.errors import ProfileCycle, ProfileFileError
from prompt_hub.live import LiveHub

GOOD = "id: library\nstages:\n  keywords:\n    parameters: {temperature: 0.7}\n"
LAUGHS = "id: library\ndescription: x\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
ANCHORS = "id: library\nx:\n" + "".join(f"- &a{n} b\n" for n in range(60_000))
STAGE = "id: library\nstages:\n  caption:\n    "


def only(text):
    return {"mine.yaml": text}


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({"a.yaml": "id: a\nextends: b\n", "b.yaml": "id: b\nextends: a\n"}, ProfileCycle, "a → b → a"),
        (only("id: library\nextends: library\n"), ProfileCycle, "library → library"),
        (only("id: library\npartials: {openers: '{% include \"openers\" %}'}\n"), ProfileCycle, "openers → openers"),
        (only("id: a\nextends: nobody\n"), ProfileFileError, "there is no profile 'nobody'"),
        (only("id: a\nstages: {caption: {user: Look.}}\n"), ProfileFileError, "application: is missing"),
        (only("id: library\nurl: http://x\n"), ProfileFileError, "is not a field here"),
        (only(f"{STAGE}headers: {{}}\n"), ProfileFileError, "is not a field here"),
        (only(f"{STAGE}images: 'one'\n"), ProfileFileError, "valid integer"),
        (only(f"{STAGE}images: 1.5\n"), ProfileFileError, "valid integer"),
        (only(f"{STAGE}user: [a]\n"), ProfileFileError, "valid string"),
        (only(f"{STAGE}user: 3\n"), ProfileFileError, "valid string"),
        (only("id: library\nstages: [caption]\n"), ProfileFileError, "valid dictionary"),
        (only("- id: library\n"), ProfileFileError, "holds no profile"),
        (only("id: 12\n"), ProfileFileError, "valid string"),
        (only("id: ../library\n"), ProfileFileError, "lower-case"),
        (only(f"{STAGE}images: no\n"), ProfileFileError, "valid integer"),
        (only(f"{STAGE}images: true\n"), ProfileFileError, "valid integer"),
        (only(f"{STAGE}images: 012\n"), ProfileFileError, "octal to some readers"),
        (only("id: library\ndescription: 2026-01-01\n"), ProfileFileError, "is a date to some readers"),
        (only("id: library\ndescription: 1_000\n"), ProfileFileError, "drop the underscores"),
        (only("id: library\nid: house\n"), ProfileFileError, "stands twice"),
        (only("id: library\n<<: {description: x}\n"), ProfileFileError, "merge"),
        (only("id: !!python/object:os.system library\n"), ProfileFileError, "has the tag"),
        (only("id: library\n--- \nid: house\n"), ProfileFileError, "more than one YAML document"),
        (only("id: [\n"), ProfileFileError, "not YAML"),
        (only(LAUGHS), ProfileFileError, "more than 50,000 values"),
        (only(ANCHORS), ProfileFileError, "more than 50,000 values"),
        (only("id: library\ndescription: &a [*a]\n"), ProfileFileError, "the value that it is part of"),
        (only("id: library\ndescription: " + "[" * 100 + "]" * 100 + "\n"), ProfileFileError, "64 levels"),
        (only("id: library\ndescription: |\n" + f"  {'x' * 98}\n" * 50_000), ProfileFileError, "larger than 1024 KiB"),
        (only(f"{STAGE}user: {'x' * 70_000}\n"), ProfileFileError, "larger than 64 KiB"),
        (only(f"id: library\npartials: {{openers: {'x' * 70_000}}}\n"), ProfileFileError, "larger than 64 KiB"),
        (only("id: library\npartials: {openers: '{% include \"nobody\" %}'}\n"), ProfileFileError, "openers: includes"),
        (only(f"{STAGE}user: '{{{{ signals }}}} {{% for %}}'\n"), ProfileFileError, "is not a template"),
        (only(f"{STAGE}user: '{{{{ nobody }}}}'\n"), ProfileFileError, "which is not declared"),
        (only(f"{STAGE}parameters: {{temperature: '{{{{ x }}}}'}}\n"), ProfileFileError, "temperature"),
        (only(f"{STAGE}variables: {{a: {{schema: {{$ref: 'http://x'}}}}}}\n"), ProfileFileError, "not allowed in a"),
        (only(f"{STAGE}output: {{properties: {{caption: {{pattern: '(a+)+$'}}}}}}\n"), ProfileFileError, "not allowed"),
    ],
)  # fmt: skip
def test_it_is_named_and_leaves_the_hub_as_it_was(user_folder, files, error, words):
    user_folder.write("mine.yaml", GOOD)
    live = LiveHub(user_folder.path)
    before, version = live.current, live.current.version
    for name, text in files.items():
        user_folder.write(name, text)
    for _ in range(2):
        with pytest.raises(error) as caught:
            live.reload()
        assert words in str(caught.value)
        if error is ProfileFileError:
            assert all(problem.file.startswith(str(user_folder.path)) for problem in caught.value.problems)
        assert live.current is before
        assert live.current.version == version
    for name in files:
        (user_folder.path / name).unlink()
    user_folder.write("mine.yaml", GOOD)
    assert live.reload().changed == {}


def test_words_that_other_readers_take_for_something_else_are_words(user_folder):
    user_folder.write("mine.yaml", "id: library\ndescription: no\n")
    assert LiveHub(user_folder.path).current.get("library").description == "no"


def test_template_syntax_where_no_template_stands_is_text(user_folder):
    user_folder.write("mine.yaml", "id: library\ndescription: '{{ 7 * 7 }}{% include \"x\" %}'\n")
    assert LiveHub(user_folder.path).current.get("library").description == '{{ 7 * 7 }}{% include "x" %}'
