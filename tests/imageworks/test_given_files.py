from __future__ import annotations

import pytest

from imageworks.errors import VocabularyFileError
from imageworks.given_files import Kind, given_text

LIST = Kind("list", 1, VocabularyFileError, how_to_save="save it again", instead="Name another.")


def test_a_mark_in_front_of_utf8_is_no_text(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("Küste\n", encoding="utf-8-sig")
    assert given_text(path, LIST) == "Küste\n"


def test_what_cannot_be_read_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "list.txt"
    with pytest.raises(
        VocabularyFileError, match=r"The list .*list\.txt cannot be read: .*\. Name another\."
    ):
        given_text(path, LIST)
    path.write_bytes("one\nKüste\n".encode("latin-1"))
    with pytest.raises(VocabularyFileError, match=r"line 2: this is no UTF-8 text; save it again\."):
        given_text(path, LIST)
    path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(VocabularyFileError, match="larger than 1 MiB; is it a list"):
        given_text(path, LIST)
