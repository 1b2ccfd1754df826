"""The photos of the demo's shoot, as they come out of a camera and a first pass through a catalog program.

Some carry what a photographer has written already, so that the tagger has something to respect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyexiv2
from PIL import ExifTags, Image

from imageworks_dagster.demo import landscapes
from imageworks_dagster.demo.darkroom import enlarge, jpeg, mono, png, source, tone
from imageworks_dagster.demo.profiles import DISPLAY_P3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROTATED_CLOCKWISE = 6


def _exif(taken: str, *, orientation: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "ImageWorks"
    exif[ExifTags.Base.Model] = "Demo Camera"
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    return exif


def _xmp(**properties: str) -> bytes:
    inside = "".join(properties.values())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def _bag(name: str, *values: str) -> str:
    return f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{value}</rdf:li>' for value in values)}</rdf:Bag></{name}>"


def _languages(name: str, **texts: str) -> str:
    items = "".join(
        f'<rdf:li xml:lang="{language.replace("_", "-")}">{text}</rdf:li>' for language, text in texts.items()
    )
    return f"<{name}><rdf:Alt>{items}</rdf:Alt></{name}>"


def _with_iptc(photo: bytes, **values: str | list[str]) -> bytes:
    image = pyexiv2.ImageData(photo)
    try:
        image.modify_iptc({f"Iptc.Application2.{name}": value for name, value in values.items()})
        written: bytes = image.get_bytes()
    finally:
        image.close()
    return written


def _cup() -> bytes:
    picture = tone(enlarge(source("coffee"), 1200, 800, seed=31), contrast=0.2)
    return jpeg(picture, exif=_exif("2024:05:11 08:12:40"))


def _spoon() -> bytes:
    picture = tone(enlarge(source("coffee", left=0.45, top=0.3), 1200, 900, seed=32), warmth=0.03)
    return jpeg(
        picture,
        exif=_exif("2024:05:11 08:14:02"),
        xmp=_xmp(subject=_bag("dc:subject", "coffee", "breakfast", "Café Küche")),
    )


def _cat() -> bytes:
    picture = tone(enlarge(source("chelsea", left=0.1, right=0.9), 900, 1100, seed=33), contrast=0.3)
    # Stored lying on its side, as a camera held upright writes it; EXIF says how to turn it.
    lying = cv2.rotate(np.ascontiguousarray(picture), cv2.ROTATE_90_COUNTERCLOCKWISE).astype(np.float32)
    return jpeg(lying, exif=_exif("2024:05:11 09:30:17", orientation=_ROTATED_CLOCKWISE))


def _cat_again() -> bytes:
    picture = tone(enlarge(source("chelsea"), 1300, 860, seed=34), exposure=0.2, contrast=0.2)
    photo = jpeg(
        picture,
        exif=_exif("2024:05:11 09:31:55"),
        xmp=_xmp(
            subject=_bag("dc:subject", "cat", "Chelsea"),
            description=_languages("dc:description", x_default="Chelsea, waiting for breakfast."),
            rating="<xmp:Rating>4</xmp:Rating>",
        ),
    )
    return _with_iptc(photo, Caption="Chelsea, waiting for breakfast.", Keywords=["cat", "Chelsea"])


def _ridges() -> bytes:
    picture = landscapes.ridges(1500, 1000, seed=35)
    return jpeg(
        enlarge(picture, 1500, 1000, crisp=0.3, seed=35), space=DISPLAY_P3, exif=_exif("2024:05:12 05:58:03")
    )


def _launch() -> bytes:
    picture = tone(enlarge(source("rocket", left=0.15, right=0.85), 1200, 1050, seed=36), contrast=0.25)
    return jpeg(
        picture,
        exif=_exif("2024:05:12 18:03:21"),
        xmp=_xmp(
            title=_languages("dc:title", x_default="Lift off"),
            description=_languages(
                "dc:description",
                x_default="A rocket leaves its pad at dusk.",
                de_DE="Eine Rakete verlässt in der Dämmerung ihre Rampe.",
            ),
            subject=_bag("dc:subject", "rocket", "spaceflight", "vehicle"),
            hierarchical=_bag("lr:hierarchicalSubject", "vehicle|spaceflight|rocket"),
        ),
    )


def _portrait() -> bytes:
    picture = tone(enlarge(source("astronaut", right=0.85), 1000, 1150, seed=37), contrast=0.3)
    return jpeg(picture, exif=_exif("2024:05:12 14:20:00"))


def _galaxies() -> bytes:
    return png(
        tone(enlarge(source("hubble_deep_field", right=0.7, bottom=0.75), 900, 750, seed=38), contrast=0.35)
    )


def _meadow() -> bytes:
    return jpeg(tone(enlarge(source("grass"), 1200, 800, seed=39), contrast=0.3), space=None)


def _pebbles() -> bytes:
    picture = mono(enlarge(source("gravel"), 1100, 1100, seed=40), contrast=0.5)
    return jpeg(picture, exif=_exif("2024:05:12 16:45:30"))


PHOTOS: Mapping[str, Callable[[], bytes]] = {
    "DSC_0101.jpg": _cup,
    "DSC_0102.jpg": _spoon,
    "DSC_0103.jpg": _cat,
    "DSC_0104.jpg": _cat_again,
    "DSC_0105.jpg": _ridges,
    "DSC_0106.jpg": _launch,
    "DSC_0107.jpg": _portrait,
    "galaxies.png": _galaxies,
    "textures/DSC_0109.jpg": _meadow,
    "textures/DSC_0110.jpg": _pebbles,
}
"""Relative path → the file's bytes."""
