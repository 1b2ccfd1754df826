"""Names of models made of what other programs call them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST: Final = 64

_DEFAULT_TAG: Final = ":latest"
_NOT_OF_A_NAME: Final = re.compile(r"[^a-z0-9._-]+")
_SEPARATORS: Final = re.compile(r"[._-]{2,}")


def name_of(text: str) -> str:
    """The name that a model has by its id: ``Qwen/Qwen2.5-VL-7B`` is ``qwen2.5-vl-7b``."""
    words = _NOT_OF_A_NAME.sub("-", text.rsplit("/", 1)[-1].removesuffix(_DEFAULT_TAG).lower())
    joined = _SEPARATORS.sub(lambda some: some[0][0], words).strip("._-")[:LONGEST].strip("._-")
    return joined or "model"


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or, where it is taken, the first of ``name-2``, ``name-3`` … that is not."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        end = f"-{number}"
        candidate = f"{name[: LONGEST - len(end)].rstrip('._-')}{end}"
    return candidate
