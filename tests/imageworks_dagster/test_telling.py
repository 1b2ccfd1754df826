"""What became of the files, in words."""

from imageworks_dagster.tagging.telling import (
    FEW_PHOTOS,
    applied_words,
    proposed_words,
    refused_words,
    shown_words,
)


def rows(state, count):
    return [
        {"entry_id": f"hills/{state}-{number}.jpg", "state": state, "error_message": "it is read-only"}
        for number in range(count)
    ]


def test_writing_counts_the_files_and_says_how_to_take_it_back():
    assert applied_words(rows("written", 2), undo="imageworks tag x --undo") == (
        "Tags written into 2 files.\nTake all back with: imageworks tag x --undo"
    )


def test_nothing_written_is_nothing_to_take_back():
    assert applied_words(rows(None, 1), undo="imageworks tag x --undo") == (
        "Tags written into 0 files.\n1 file without tags to write: None-0.jpg."
    )


def test_refused_files_are_named_as_far_as_a_line_goes():
    assert refused_words(rows("refused", 6)) == [
        "6 files refused: refused-0.jpg, refused-1.jpg, refused-2.jpg, refused-3.jpg, refused-4.jpg and 1 more.",
        "    it is read-only",
    ]


def test_a_proposal_is_a_diff_that_names_the_sidecar_where_there_is_one():
    proposed = [
        {"entry_id": "hills/a.jpg", "state": "proposed", "into": "a.jpg", "changes": ["+ title: A hill"]},
        {
            "entry_id": "hills/x/b.nef",
            "state": "proposed",
            "into": "x/b.xmp",
            "changes": ["+ keywords: hill"],
        },
        {"entry_id": "hills/c.nef", "state": "proposed", "into": None, "changes": ["! exiftool is missing"]},
        {"entry_id": "hills/d.jpg", "state": "unchanged", "into": None, "changes": None},
    ]
    assert proposed_words(proposed) == [
        "a.jpg",
        "  + title: A hill",
        "x/b.nef → x/b.xmp",
        "  + keywords: hill",
        "c.nef",
        "  ! exiftool is missing",
    ]


def proposals(count):
    return [
        {
            "entry_id": f"hills/{number:03d}.jpg",
            "state": "proposed",
            "into": f"{number:03d}.jpg",
            "changes": [f"+ title: Hill {number}", "+ keywords: hill", "= description: yours stays"],
        }
        for number in range(count)
    ]


def test_the_changes_of_a_few_photos_are_all_shown():
    few = proposals(FEW_PHOTOS)
    assert shown_words(few, whole="changes.txt") == proposed_words(few)


def test_of_many_photos_the_sums_are_shown_three_examples_and_where_all_are():
    many = proposals(FEW_PHOTOS + 10)
    many[4]["changes"] = ["- keywords: old", "! exiftool is missing"]

    assert shown_words([*many, *rows("unchanged", 3)], whole="changes.txt") == [
        "30 photos with something proposed:",
        "  + keywords in 29, title in 29",
        "  - keywords in 1",
        "  = yours stays: description in 29",
        "  ! in 1: exiftool is missing",
        "Three of them:",
        *proposed_words([many[0], many[15], many[29]]),
        "All of them, line by line: changes.txt",
    ]
