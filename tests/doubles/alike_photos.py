"""Photos, edits of them, other frames of the same scene, and photos of something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from public_photos import HELD_OUT, TUNING, Tally, piece, public_photo, through_jpeg, with_grain

from imageworks_dagster.demo.landscapes import ridges
from photos.likeness import describe, find_alike

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LONG_SIDE = 640


@dataclass(frozen=True)
class Taken:
    """A picture, of which scene, and whether it is the photo itself, an edit of it or another frame."""

    scene: str
    kind: Literal["photo", "edit", "frame"]
    pixels: NDArray[np.uint8]


def scenes(sources: Sequence[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Each source cut into four photos that share nothing."""
    for name in sources:
        whole = public_photo(name)
        height, width = whole.shape[0] // 2, whole.shape[1] // 2
        for row in (0, 1):
            for column in (0, 1):
                cut = whole[row * height : (row + 1) * height, column * width : (column + 1) * width]
                scale = LONG_SIDE / max(cut.shape[:2])
                yield (
                    f"{name} {row}{column}",
                    cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC),
                )


def taken(sources: Sequence[str], *, edits: int, frames: int, seed: int) -> Iterator[Taken]:
    """Every scene's photo with its edits and other frames."""
    generator = np.random.default_rng(seed)
    for scene, pixels in scenes(sources):
        yield Taken(scene, "photo", through_jpeg(with_grain(pixels, generator, 2), 92))
        for _ in range(edits):
            yield Taken(scene, "edit", _edited(through_jpeg(with_grain(pixels, generator, 2), 92), generator))
        for _ in range(frames):
            yield Taken(scene, "frame", _next_frame(pixels, generator))


def _edited(pixels, generator):
    """Any of: turned or mirrored, cropped, toned, resized; always saved again."""
    edits = generator.random(4) < 0.6
    if edits[0]:
        pixels = np.rot90(pixels, generator.integers(4))
        pixels = pixels[:, ::-1] if generator.random() < 0.4 else pixels
    if edits[1]:
        height, width = pixels.shape[:2]
        tall, wide = (int(side * generator.uniform(0.82, 0.99)) for side in (height, width))
        top, left = generator.integers(0, height - tall + 1), generator.integers(0, width - wide + 1)
        pixels = pixels[top : top + tall, left : left + wide]
    if edits[2]:
        tones = (pixels / 255.0) ** generator.uniform(0.7, 1.4)
        tones = np.clip((tones - 0.5) * generator.uniform(0.8, 1.3) + 0.5, 0, 1)
        if generator.random() < 0.4:
            tones = np.repeat(tones.mean(axis=2, keepdims=True), 3, axis=2)
        pixels = (tones * 255).astype(np.uint8)
    if edits[3]:
        scale = generator.uniform(0.5, 1.4)
        pixels = cv2.resize(
            np.ascontiguousarray(pixels), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
    return through_jpeg(np.ascontiguousarray(pixels), int(generator.integers(40, 93)))


def _next_frame(pixels, generator):
    """The camera has shaken a little, and about a third of the scene has moved within itself."""
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    middle = generator.uniform(0.3, 0.7, 2) * (height, width)
    inside = np.exp(
        -(((rows - middle[0]) / (0.3 * height)) ** 2 + ((columns - middle[1]) / (0.3 * width)) ** 2)
    )
    away, angle = generator.uniform(0.02, 0.05) * width, generator.uniform(0, 2 * np.pi)
    shake = generator.uniform(-6, 6, 2)
    moved = cv2.remap(
        pixels,
        (columns + shake[0] + inside * away * np.cos(angle)).astype(np.float32),
        (rows + shake[1] + inside * away * np.sin(angle)).astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return through_jpeg(with_grain(moved, generator, 2), 92)


@dataclass
class AlikeScores:
    """Pairs of a photo and any other: those that are one picture, and the share of frames not taken for it."""

    same: Tally
    frames_told_apart: float
    frames_found: float


def alike_scores(sources: Sequence[str], *, edits: int, frames: int, seed: int) -> AlikeScores:
    """How `find_alike` fares among all of them."""
    pictures = list(taken(sources, edits=edits, frames=frames, seed=seed))
    found = {
        (alike.first, alike.second): alike.kind
        for alike in find_alike([describe(one.pixels) for one in pictures])
    }
    same, mistaken, seen, of_frames = Tally(), 0, 0, 0
    for second, other in enumerate(pictures):
        for first, one in enumerate(pictures):
            if first == second or one.kind != "photo":
                continue
            kind = found.get((min(first, second), max(first, second)))
            same.count(truth=one.scene == other.scene and other.kind == "edit", found=kind == "same")
            if one.scene == other.scene and other.kind == "frame":
                of_frames += 1
                mistaken += kind == "same"
                seen += kind == "frame"
    return AlikeScores(same, 1 - mistaken / max(1, of_frames), seen / max(1, of_frames))


def many_photos(count: int, *, seed: int) -> list[NDArray[np.uint8]]:
    """As many thumbnails of 480 pixels: small cuts from everywhere, and landscapes that are much alike."""
    generator = np.random.default_rng(seed)
    names = (*TUNING, *HELD_OUT)
    cuts = [
        piece(names[number % len(names)], generator, long_side=480, least=0.2, most=0.35)
        for number in range(count * 3 // 4)
    ]
    made = [ridges(480, 320, seed + number) for number in range(count - len(cuts))]
    return cuts + [(picture * 255).astype(np.uint8) for picture in made]
