"""Writing fields about photos so that no file can be harmed: on a copy, proved, with an undo, by one rename.

JPEG, TIFF, PNG, WebP and DNG are written into; raw files, HEIC, AVIF and JPEG XL get a sidecar. Either way: a copy
beside the file → a tool in a process of its own → all that others wrote is still there, the fields read back → undo
made and tried → synced, times and mode as before → the caller records the undo → rename → folder synced. A kill at any
moment leaves the old file or the new one, and at most a hidden copy that the next run sweeps (and in the system's
temporary folder what exiftool worked on).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from photos.inspection import format_of
from photos.metadata.embedding import embed, read_copy
from photos.metadata.errors import ExifToolMissing, FormatNotWritable, NotARegularFile, ToolCrashed
from photos.metadata.exiftool import ExifTool, installed
from photos.metadata.process import MetadataProcess
from photos.metadata.reading import EMBEDDED, read_metadata
from photos.metadata.replacing import Original
from photos.metadata.sidecar_writing import place_beside, write_beside
from photos.metadata.sidecars import BESIDE
from photos.metadata.temporary import explaining, sweep
from photos.metadata.written import Order, Written, naming
from photos.opening import open_photo
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from photos.formats import Format
    from photos.metadata.fields import PhotoMetadata
    from photos.metadata.sidecars import SidecarNames
    from photos.metadata.written import Wanted


class MetadataWriter:
    """Writes metadata about photos, one after the other, with warm processes.

    with MetadataWriter() as writer:
        writer.write(path, MetadataFields(keywords=("cat",)), before_replace=record_it)
    """

    def __init__(self, *, sidecar_names: SidecarNames = "adobe") -> None:
        self._names = sidecar_names
        self._process = MetadataProcess()
        self._exiftool = ExifTool()
        self._swept: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.close()
        self._exiftool.close()

    def read(self, path: Path) -> PhotoMetadata:
        """What a photo or a sidecar says, as `read_metadata` has it, with the tools in their processes.

        What stands inside a HEIC, AVIF or JPEG XL is read where exiftool is installed.

        Raises:
            MetadataUnreadable: damaged, or not to be opened.
            ToolFailed: a process could not do it.
        """
        return read_metadata(
            path,
            names=self._names,
            embedded=lambda photo: read_copy(photo, photo, self._process),
            packet_of=self._packet_of if installed() else None,
        )

    def place_of(self, path: Path) -> Path:
        """The file that a write would change or make: the photo itself, or its sidecar.

        Raises:
            WriteRefused: nothing would be written, and why.
            MetadataUnreadable: the sidecar is damaged.
        """
        place = _regular(path)
        if _format_of(place) in EMBEDDED:
            return Original.at(place).path
        return place_beside(place, self._names)

    def write(
        self,
        path: Path,
        wanted: Wanted,
        *,
        before_replace: Callable[[Written], None] | None = None,
        expected_photo_id: str | None = None,
    ) -> Written:
        """Write fields into a photo, or into its sidecar.

        Args:
            path: a JPEG, TIFF, PNG, WebP or DNG, or a raw file, HEIC, AVIF or JPEG XL.
            wanted: the fields, or a function that makes them from what the photo says at this moment; with
                the function, keywords that somebody added since the photo was last read cannot get lost.
            before_replace: called when the new version is ready and synced, and before it takes the file's
                place. Record the undo durably here; an exception leaves the file as it was.
            expected_photo_id: refuse when the picture is another one by now.

        Returns:
            What was done. When the photo already says it all, nothing is written and the hook is not called.

        Raises:
            WriteRefused: not tried, and why: unsupported format, read-only file or folder, locked, changed
                meanwhile, exiftool not installed.
            WriteFailed: tried on a copy and given up: no room, the picture or somebody's metadata would
                change, the tool failed.
            MetadataUnreadable: the photo's metadata, or its sidecar, is damaged.
        """
        order = Order(wanted, before_replace, expected_photo_id)
        place = _regular(path)
        kind = _format_of(place)
        self._sweep(place.parent)
        try:
            return self._attempt(place, kind, order)
        except ToolCrashed:
            # It may have been killed from outside; a file that kills it does so again.
            return self._attempt(place, kind, order)

    def _attempt(self, path: Path, kind: Format, order: Order) -> Written:
        if kind in EMBEDDED:
            return embed(path, kind, order, self._process)
        return write_beside(path, self._names, order, self._exiftool, self.read)

    def _packet_of(self, photo: Path) -> bytes:
        with naming(photo), explaining(photo):
            return self._exiftool.packet(photo)

    def _sweep(self, folder: Path) -> None:
        if folder not in self._swept:
            with explaining(folder / "*"):
                sweep(folder)
            self._swept.add(folder)


def _regular(path: Path) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as problem:
        raise NotARegularFile(f"{path_text(path)}: it cannot be found: {problem}") from problem
    if not real.is_file():
        raise NotARegularFile(f"{path_text(path)}: it is no ordinary file")
    return real


def _format_of(path: Path) -> Format:
    with open_photo(path) as file:
        kind = format_of(path, file)
    if kind in EMBEDDED:
        return kind
    if kind in BESIDE:
        if not installed():
            raise ExifToolMissing(
                f"{path_text(path)}: tags of a {kind.value} file go into a sidecar, which exiftool writes, and "
                "exiftool is not installed; install it (Debian: libimage-exiftool-perl) and run it again"
            )
        return kind
    raise FormatNotWritable(
        f"{path_text(path)}: its content is {kind.value}; metadata is written into JPEG, TIFF, PNG, WebP and DNG, and "
        "beside raw files, HEIC, AVIF and JPEG XL, so it was left alone",
    )
