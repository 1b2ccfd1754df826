"""Which picture format a file is in, told from its first bytes, never from its name."""

from __future__ import annotations

from enum import Enum

HEADER_BYTES = 64
"""How many leading bytes `sniff` wants."""


class Format(Enum):
    """A picture format; the value is the word for rows and reports."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    TIFF = "tiff"
    DNG = "dng"
    GIF = "gif"
    BMP = "bmp"
    HEIC = "heic"
    AVIF = "avif"
    JXL = "jxl"
    PSD = "psd"
    RAW = "raw"
    UNKNOWN = "unknown"


RAW_EXTENSIONS = frozenset({
    ".3fr", ".ari", ".arw", ".bay", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq",
    ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl",
    ".sr2", ".srf", ".srw", ".x3f",
})  # fmt: skip
"""Extensions, in lower case with their dot, of cameras' raw files."""

EXTENSIONS = RAW_EXTENSIONS | frozenset({
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg",
    ".jxl", ".png", ".psb", ".psd", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""Extensions, in lower case with their dot, of files that are taken for photos."""

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_ANY_BRANDS = frozenset({b"mif1", b"msf1", b"mif2"})
_MAGICS = (
    (0, b"\xff\xd8\xff", Format.JPEG),
    (0, b"\x89PNG\r\n\x1a\n", Format.PNG),
    (0, b"GIF87a", Format.GIF),
    (0, b"GIF89a", Format.GIF),
    (0, b"8BPS", Format.PSD),
    (0, b"\xff\x0a", Format.JXL),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", Format.JXL),
    (0, b"FUJIFILMCCD-RAW", Format.RAW),
    (0, b"IIRO", Format.RAW),
    (0, b"IIRS", Format.RAW),
    (0, b"MMOR", Format.RAW),
    (0, b"IIU\x00", Format.RAW),
    (0, b"FOVb", Format.RAW),
    (0, b"\x00MRM", Format.RAW),
    (6, b"HEAPCCDR", Format.RAW),
)
_TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def sniff(header: bytes) -> Format:
    """Name the format that `header` begins.

    TIFF is the container of most raw files and of DNG; those need the file's directories to be told apart
    (`inspection.format_of`), so this answers TIFF for them unless the first bytes already say more.

    Args:
        header: The first `HEADER_BYTES` bytes of the file, or fewer if it is shorter.
    """
    for at, magic, found in _MAGICS:
        if header[at : at + len(magic)] == magic:
            return found
    if header[4:8] == b"ftyp":
        return _sniff_brands(header)
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return Format.WEBP
    if header[:4] in _TIFF_MAGICS:
        return Format.RAW if header[8:10] == b"CR" else Format.TIFF
    # "BM" alone is too common in text: its reserved fields must be zero and the header size a known one.
    if header[:2] == b"BM" and header[6:10] == b"\0\0\0\0" and header[14:18] in _BMP_HEADER_SIZES:
        return Format.BMP
    return Format.UNKNOWN


_BMP_HEADER_SIZES = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))


def _sniff_brands(header: bytes) -> Format:
    """ISO base media files say what they are in their list of brands."""
    size = int.from_bytes(header[:4], "big")
    major = header[8:12]
    brands = {header[at : at + 4] for at in range(16, min(size, len(header)) - 3, 4)} | {major}
    if major == b"crx ":
        return Format.RAW
    if major in _AVIF_BRANDS:
        return Format.AVIF
    if major in _HEIC_BRANDS:
        return Format.HEIC
    if brands & _AVIF_BRANDS:
        return Format.AVIF
    if brands & (_HEIC_BRANDS | _HEIF_ANY_BRANDS):
        return Format.HEIC
    return Format.UNKNOWN
