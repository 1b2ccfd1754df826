"""Why a photo's metadata could not be read, written or put back.

    MetadataError (a photos.errors.PhotoError)
    ├── InvalidFields            what was asked to be written cannot stand in a file
    ├── MetadataUnreadable       the file's metadata is damaged, or the file is
    ├── WriteRefused             nothing was tried, for a reason a person can change
    │   ├── FormatNotWritable    GIF, PSD …: neither written into nor given a sidecar
    │   ├── ExifToolMissing      sidecars are written with exiftool
    │   ├── SidecarShared        another photo of the same name has the sidecar
    │   ├── FileLocked           another program holds the file
    │   ├── NotARegularFile      a folder, a pipe, a link that leads nowhere
    │   ├── ReadOnlyFile
    │   ├── ReadOnlyFolder
    │   └── FileChanged          another program wrote the file while we worked on our copy
    ├── WriteFailed              tried on a copy; the copy was thrown away, the photo is as it was
    │   ├── DiskFull
    │   ├── PictureWouldChange   the copy's picture data is not the original's
    │   ├── MetadataWouldBeLost  something that others wrote is missing from the copy
    │   ├── NotReadBack          the copy does not say what was written
    │   └── ToolFailed           the metadata process refused, crashed or ran out of time
    │       └── ToolCrashed
    └── UndoRefused              the file is not the one we wrote, or the record is damaged

Every class has an `error_class`, the word that stands in a table's row.
"""

from __future__ import annotations

from typing import ClassVar

from photos.errors import PhotoError


class MetadataError(PhotoError):
    """Anything that goes wrong with a photo's metadata."""

    error_class: ClassVar[str] = "metadata_error"


class InvalidFields(MetadataError):
    """A field holds what no file can hold, such as control characters."""

    error_class = "invalid_fields"


class MetadataUnreadable(MetadataError):
    """The metadata, or the file around it, is damaged."""

    error_class = "metadata_unreadable"


class WriteRefused(MetadataError):
    """Nothing was tried; the message says what a person can change."""

    error_class = "write_refused"


class FormatNotWritable(WriteRefused):
    """Metadata is embedded into JPEG, TIFF, PNG, WebP and DNG, and put beside raw files, HEIC, AVIF and JPEG XL."""

    error_class = "unsupported_format"


class ExifToolMissing(WriteRefused):
    """Sidecars are written with exiftool, and it is not installed."""

    error_class = "exiftool_missing"


class SidecarShared(WriteRefused):
    """By Adobe's naming two photos would have one sidecar."""

    error_class = "sidecar_shared"


class FileLocked(WriteRefused):
    """Another program has locked the file."""

    error_class = "file_locked"


class NotARegularFile(WriteRefused):
    """The path leads to no ordinary file."""

    error_class = "not_a_file"


class ReadOnlyFile(WriteRefused):
    """The photo is marked read-only."""

    error_class = "read_only_file"


class ReadOnlyFolder(WriteRefused):
    """No new file can be made beside the photo, so it cannot be replaced safely."""

    error_class = "read_only_folder"


class FileChanged(WriteRefused):
    """Another program changed the photo while its new version was being made."""

    error_class = "file_changed"


class WriteFailed(MetadataError):
    """It was tried on a copy, which is gone; the photo is as it was."""

    error_class = "write_failed"


class DiskFull(WriteFailed):
    """There was no room for the copy."""

    error_class = "disk_full"


class PictureWouldChange(WriteFailed):
    """The rewritten copy does not hold the same picture."""

    error_class = "picture_would_change"


class MetadataWouldBeLost(WriteFailed):
    """The rewritten copy lacks metadata that was there and is not ours."""

    error_class = "metadata_would_be_lost"


class NotReadBack(WriteFailed):
    """The rewritten copy does not say what it was told to say."""

    error_class = "not_read_back"


class ToolFailed(WriteFailed):
    """The metadata process could not do it."""

    error_class = "metadata_tool_failed"


class ToolCrashed(ToolFailed):
    """The metadata process died or was killed for taking too long."""

    error_class = "metadata_tool_crashed"


class UndoRefused(MetadataError):
    """The file is not what we wrote, so putting the old bytes back would lose somebody's work."""

    error_class = "undo_refused"
