"""`imageworks agreement`, as a person at a terminal sees it."""

import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo

from imageworks_dagster.command.agreement import models_behind

COLUMNS = 80


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A home with a judged round of three entries."""
    place = tmp_path_factory.mktemp("judged")
    for number in range(3):
        write_photo(place / "Spring Round" / f"Title {number}.jpg", seed=number)
    assert imageworks(place / "home", "judge", place / "Spring Round").code == 0
    return place


def marks(place, *lines):
    path = place / "marks.csv"
    path.write_text("\n".join(["judge,file,mark", *lines]), encoding="utf-8")
    return path


@pytest.mark.slow
def test_peoples_marks_are_compared_in_the_terminal_and_on_a_page(judged):
    lines = [f"{judge},Title {number}.jpg,{10 + number}" for judge in ("Ada", "Ben") for number in range(3)]
    said = imageworks(judged / "home", "agreement", "spring-round", "--marks", marks(judged, *lines))
    assert said.code == 0, said
    assert "All entries: 3 entries marked by 2 people" in said.out
    assert "Kendall's W 1.00 over 3 entries" in " ".join(said.out.split())
    assert all(len(line) <= COLUMNS for line in said.out.splitlines() if not line.startswith("Page:"))
    page = judged / "home" / "reports" / "judge" / "spring-round" / "agreement.html"
    assert "baseline-judge" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_wrong_line_is_named_and_nothing_is_compared(judged):
    wrong = marks(judged, "Ada,Title 0.jpg,12", "Ada,Title 9.jpg,12")
    said = imageworks(judged / "home", "agreement", "spring-round", "--marks", wrong)
    complaint(said, "line 3", "is no entry of this")
    assert said.out == ""


def test_a_batch_without_a_result_is_told_what_to_do(platform, tmp_path, entries_folder):
    name = platform.register("judge", entries_folder)
    home, path = platform.settings.home, marks(tmp_path, "Ada,Title 0.jpg,12")
    complaint(imageworks(home, "agreement", "nobody", "--marks", path), "nobody")
    complaint(imageworks(home, "agreement", name, "--marks", path), "judge/results")


def test_all_judges_of_a_panel_are_named_and_those_of_earlier_tables_as_they_are_known():
    panel = {"model": "near-vlm", "models": ["far-vlm", "near-vlm"]}
    earlier = {"model": "old-vlm"}
    assert models_behind([panel, earlier, {"model": None, "models": None}]) == [
        "far-vlm",
        "near-vlm",
        "old-vlm",
    ]
