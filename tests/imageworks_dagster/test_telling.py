"""What became of the files, in words."""

from imageworks_dagster.tagging.telling import applied_words, refused_words


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
