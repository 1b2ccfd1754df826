"""What rules and files call a picture's format and color space, and which of those names mean the same."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Final

from photos.formats import Format

_OF_EXTENSION: Final = {
    "jpg": "jpeg",
    "jpe": "jpeg",
    "jpeg": "jpeg",
    "jfif": "jpeg",
    "png": "png",
    "webp": "webp",
    "tif": "tiff",
    "tiff": "tiff",
    "dng": "dng",
    "gif": "gif",
    "bmp": "bmp",
    "heic": "heic",
    "heif": "heic",
    "hif": "heic",
    "avif": "avif",
    "jxl": "jxl",
    "psd": "psd",
}

_FORMATS: Final = frozenset(kind.value for kind in Format) - {Format.UNKNOWN.value}

_COLOR_SPACES: Final = {
    "srgb": "sRGB",
    "adobergb": "Adobe RGB",
    "displayp3": "Display P3",
    "prophotorgb": "ProPhoto RGB",
    "rec2020": "Rec. 2020",
    "gray": "Gray",
    "cmyk": "CMYK",
    "lab": "Lab",
}
"""How the names begin, in letters and digits alone, and what `photos.facts` calls the space."""


def format_key(name: str) -> str:
    """What all names of one format have in common: `JPG`, `.jpeg` and `JPEG` are `jpeg`."""
    key = name.casefold().lstrip(".")
    return _OF_EXTENSION.get(key, key)


def format_of_name(file_name: str) -> str | None:
    """The format that a file's extension promises; None for one that promises none."""
    return _OF_EXTENSION.get(PurePosixPath(file_name).suffix.lstrip(".").casefold())


def check_format(name: str) -> str:
    """The name itself, when it is one of a format.

    Raises:
        ValueError: No file has such a format, so none could keep the rule.
    """
    if format_key(name) in _FORMATS:
        return name
    near = get_close_matches(name.casefold(), [*_FORMATS, *_OF_EXTENSION], n=1)
    hint = f"did you mean {format_key(near[0]).upper()}? " if near else ""
    raise ValueError(
        f"no picture format is called that; {hint}known are {', '.join(sorted(_FORMATS)).upper()}"
    )


def same_color_space(one: str, other: str) -> bool:
    """Whether two names mean one color space: `sRGB IEC61966-2.1` is sRGB, and so on."""
    return _color_space_key(one) == _color_space_key(other)


def check_color_space(name: str) -> str:
    """The name itself, when it is one of a color space, or empty.

    Raises:
        ValueError: No file is ever found to be in such a space, so none could keep the rule.
    """
    key = _color_space_key(name)
    if not name or key in _COLOR_SPACES:
        return name
    near = get_close_matches(key, _COLOR_SPACES, n=1)
    hint = f"did you mean {_COLOR_SPACES[near[0]]}? " if near else ""
    raise ValueError(
        f"no color space is known by that name; {hint}known are {', '.join(_COLOR_SPACES.values())}"
    )


def _color_space_key(name: str) -> str:
    letters = "".join(char for char in name.casefold() if char.isalnum())
    return next((known for known in _COLOR_SPACES if letters.startswith(known)), letters)
