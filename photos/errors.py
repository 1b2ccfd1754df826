"""Everything that reading a photo can raise.

    PhotoError
    ├── FolderError
    │   ├── FolderUnreadable     the folder is missing, is no folder, or may not be read
    │   └── NoPhotos             the folder can be read and holds no photo
    ├── ReaderFailed             a program that reads a picture was started and did not do its work
    └── PictureError             one photo cannot be used; the batch goes on
        ├── Unreadable           the operating system refuses, or it is no regular file
        ├── EmptyFile            0 bytes
        ├── FileTooLarge         more bytes than `max_file_bytes`
        ├── NotAPicture          no picture format that anybody knows
        ├── UnsupportedFormat    a known format or variant that this program cannot decode
        ├── TooManyPixels        refused from the header, before any pixel was decoded
        ├── Truncated            the file ends before its picture does
        ├── Damaged              the picture data contradict themselves
        └── RawWithoutPreview    a raw file that carries no embedded preview

(`store.path_text.BadPathText` is a ValueError of its own.)

Each `PictureError` has an `error_class`, the word that goes into an entry's row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path


class PhotoError(Exception):
    """Anything that this package raises on purpose."""


class FolderError(PhotoError):
    """A folder cannot be used as a batch.

    Attributes:
        folder: The folder that was asked for.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.folder = folder
        super().__init__(f"{path_text(folder)}: {what}")


class FolderUnreadable(FolderError):
    """The folder is missing, is no folder, or may not be read."""


class NoPhotos(FolderError):
    """The folder can be read and holds no photo."""


class ReaderFailed(PhotoError):
    """A program that reads text in a picture was started and did not do its work."""


class PictureError(PhotoError):
    """One photo cannot be used; others may.

    Attributes:
        path: The file.
        error_class: The word for an entry's row.
    """

    error_class: ClassVar[str] = "picture_error"

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(f"{path_text(path)}: {what}")


class Unreadable(PictureError):
    """The operating system refuses to read it, or it is no regular file."""

    error_class = "unreadable"


class EmptyFile(PictureError):
    """The file has 0 bytes."""

    error_class = "empty_file"


class FileTooLarge(PictureError):
    """The file has more bytes than the limit."""

    error_class = "file_too_large"


class NotAPicture(PictureError):
    """The content is no picture format that is known here."""

    error_class = "not_a_picture"


class UnsupportedFormat(PictureError):
    """The format, or this variant of it, is known but cannot be decoded."""

    error_class = "unsupported_format"


class TooManyPixels(PictureError):
    """The header promises more pixels, or more memory, than the limits allow."""

    error_class = "too_many_pixels"


class Truncated(PictureError):
    """The file ends before its picture does."""

    error_class = "truncated"


class Damaged(PictureError):
    """The picture data contradict themselves."""

    error_class = "damaged"


class RawWithoutPreview(PictureError):
    """A raw file carries no embedded preview to look at."""

    error_class = "raw_without_preview"
