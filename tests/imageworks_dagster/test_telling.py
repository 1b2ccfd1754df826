"""What became of the files, in words."""

from imageworks_dagster.tagging.telling import (
    CHANGES,
    applied_words,
    first_lines,
    proposed_words,
    refused_words,
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


def test_a_long_diff_is_shown_in_part_and_its_whole_named():
    lines = [str(number) for number in range(CHANGES + 1)]
    assert first_lines(lines[:-1], whole="changes.txt") == lines[:-1]
    assert first_lines(lines, whole="changes.txt") == [*lines[:-1], "1 more line in changes.txt"]
