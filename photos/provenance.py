"""What a file's metadata say about its being made by a generator of pictures.

Read are IPTC's digital source type (`digitalSourceType` in XMP, and in the assertions of a C2PA manifest, which
stand in JUMBF boxes as uncompressed CBOR: C2PA 2.1, section 11), and what generators leave: the prompts that Stable
Diffusion's programs write into PNG text, and their names as the software or the credit. Metadata are easily removed:
none of them proves nothing.

Nothing is parsed: the terms are looked for in the file's bytes, as they are too long to be there by chance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from photos.opening import MAX_FILE_BYTES, open_photo

if TYPE_CHECKING:
    from pathlib import Path

    from photos.containers.reading import Feed

PROVENANCE_VERSION = 1
"""Raised whenever what follows changes, so that kept findings are made anew."""

_BLOCK = 1 << 20
_LONGEST = 512

# IPTC NewsCodes, digital source type.
_GENERATED = re.compile(rb"(?<![a-z])(trainedAlgorithmicMedia|algorithmicMedia)\b")
_PARTLY = re.compile(rb"compositeWithTrainedAlgorithmicMedia|compositeSynthetic")
_CREDENTIALS = re.compile(rb"c2pa\.(?:assertions|claim|signature)|jumdc2pa")
_PROMPT = re.compile(
    rb"Negative prompt: |Steps: \d+, Sampler: |\"class_type\": ?\"KSampler|sd-metadata\0|invokeai_metadata\0"
)
_GENERATOR = re.compile(
    rb"(?:Software|CreatorTool|Credit|Creator|softwareAgent|claim_generator)[^a-zA-Z]?.{0,80}?"
    rb"(Midjourney|DALL.E|Adobe Firefly|Stable Diffusion|NovelAI|Made with Google AI|ComfyUI|InvokeAI|Ideogram AI)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the metadata say.

    Attributes:
        kind: `generated` by a model; `partly` so, such as a sky put in; `none`, which is no proof of a camera.
        confidence: 0-1, that the metadata say this.
        says: The term that was found, at most 80 characters; empty without one.
        credentials: Whether there is a C2PA manifest; cameras write them too.
    """

    kind: Literal["generated", "partly", "none"]
    confidence: float
    says: str = ""
    credentials: bool = False


def find_generation(
    path: Path, *, max_file_bytes: int = MAX_FILE_BYTES, feed: Feed | None = None
) -> Provenance:
    """Look for signs of a generator in a file.

    Args:
        path: The file.
        max_file_bytes: Refuse larger ones.
        feed: Takes each block of the file as it is read, such as a digest's.

    Raises:
        photos.errors.PictureError: It cannot be read, or has more bytes than the limit.
    """
    found: dict[str, bytes] = {}
    tail = b""
    with open_photo(path, max_file_bytes=max_file_bytes) as file:
        while block := file.read(_BLOCK):
            if feed is not None:
                feed(block)
            # A term may lie across two blocks.
            window = tail + block
            for name, pattern in _PATTERNS.items():
                if name not in found and (match := pattern.search(window)):
                    found[name] = match[match.lastindex or 0]
            tail = window[-_LONGEST:]
    credentials = "credentials" in found
    for name, kind, confidence in _MEANINGS:
        if name in found:
            says = found[name].decode("latin-1")[:80].strip(' :,"\0')
            return Provenance(kind, confidence, says, credentials)
    return Provenance("none", 1.0, "", credentials)


_PATTERNS = {
    "partly": _PARTLY, "generated": _GENERATED, "prompt": _PROMPT, "generator": _GENERATOR, "credentials": _CREDENTIALS,
}  # fmt: skip

_MEANINGS: tuple[tuple[str, Literal["generated", "partly"], float], ...] = (
    ("generated", "generated", 0.99),
    ("prompt", "generated", 0.95),
    ("partly", "partly", 0.95),
    # A program's name alone may also stand for a small part.
    ("generator", "generated", 0.8),
)
