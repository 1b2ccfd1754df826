from imageworks.counting import counted


def test_one_is_singular_and_every_other_count_is_plural():
    assert [counted(count, "answer") for count in (0, 1, 2)] == ["0 answers", "1 answer", "2 answers"]


def test_an_irregular_plural_is_given():
    assert [counted(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]
