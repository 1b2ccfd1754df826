"""The name of the place next to a position, from GeoNames' towns, offline.

The towns with their names are part of the package reverse-geocode; GeoNames gives them under CC BY 4.0.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final

import reverse_geocode

from imageworks.plain_text import clean_text

EARTH_KM: Final = 6371.0
NEAR_KM: Final = 10.0
FAR_KM: Final = 30.0
"""Farther away than this a town says nothing of a photo: it is out at sea, or the position is wrong."""


def place_words(latitude: float, longitude: float) -> str:
    """`Malcesine, Veneto, Italy`; `near …` beyond `NEAR_KM`; empty where no town is within `FAR_KM`.

    Args:
        latitude: Degrees, -90 to 90.
        longitude: Degrees, -180 to 180.
    """
    # To a kilometer: a step aside is the same place.
    latitude, longitude = round(latitude, 2), round(longitude, 2)
    town = reverse_geocode.get((latitude, longitude))
    away = kilometers((latitude, longitude), (town["latitude"], town["longitude"]))
    if away > FAR_KM:
        return ""
    names = dict.fromkeys(filter(None, (town["city"], town.get("state"), town["country"])))
    said = clean_text(", ".join(names))
    return said if away <= NEAR_KM else f"near {said}"


def kilometers(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The way between two positions in degrees, on a sphere, by the haversine formula."""
    (north, east), (to_north, to_east) = (tuple(map(radians, place)) for place in (one, other))
    half = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))
