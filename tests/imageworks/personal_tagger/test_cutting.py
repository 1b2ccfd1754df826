"""Cutting a library into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imageworks.personal_tagger.cutting import Piece, cut

folders = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)
libraries = st.dictionaries(folders, st.integers(1, 50), min_size=1, max_size=20)


def pieces_of(photos, *, most=100, kept=None):
    return cut(photos, most=most, kept=kept or {})


def belongs(folder, piece):
    inside = folder == piece.folder or folder.startswith(f"{piece.folder}/") or not piece.folder
    return inside and (piece.below or folder == piece.folder)


def test_a_small_library_is_one_piece():
    assert pieces_of({"2024/june": 40, "2024/july": 30}) == (Piece("", below=True, photos=70),)


def test_a_large_one_is_cut_at_the_highest_folders_that_are_small_enough():
    assert pieces_of({"2023/may": 60, "2024/june": 60, "2024/july": 60}) == (
        Piece("2023", below=True, photos=60),
        Piece("2024/july", below=True, photos=60),
        Piece("2024/june", below=True, photos=60),
    )


def test_photos_beside_folders_that_are_cut_are_a_piece_without_those():
    assert pieces_of({"": 5, "2023": 90, "2024": 90}) == (
        Piece("", below=False, photos=5),
        Piece("2023", below=True, photos=90),
        Piece("2024", below=True, photos=90),
    )


def test_a_single_folder_is_never_cut():
    assert pieces_of({"all": 5000}) == (Piece("all", below=True, photos=5000),)


def test_what_was_a_piece_stays_one_whatever_it_grew_to():
    photos = {"2024/june": 150, "2024/july": 150}
    assert pieces_of(photos, kept={"2024": True}) == (Piece("2024", below=True, photos=300),)


def test_a_piece_that_was_cut_off_is_not_joined_again():
    photos = {"2024/june": 5, "2024/july": 5}
    assert pieces_of(photos, kept={"2024/june": True}) == (
        Piece("2024/july", below=True, photos=5),
        Piece("2024/june", below=True, photos=5),
    )


@given(libraries, st.integers(1, 120), st.dictionaries(folders, st.booleans(), max_size=4))
def test_every_photo_belongs_to_exactly_one_piece(photos, most, kept):
    pieces = cut(photos, most=most, kept=kept)
    assert sum(piece.photos for piece in pieces) == sum(photos.values())
    for folder in photos:
        assert sum(belongs(folder, piece) for piece in pieces) == 1


@given(libraries, st.integers(1, 120))
def test_what_was_cut_once_is_cut_the_same_again(photos, most):
    pieces = cut(photos, most=most, kept={})
    assert cut(photos, most=most, kept={piece.folder: piece.below for piece in pieces}) == pieces
