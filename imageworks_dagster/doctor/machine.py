"""Checks of the machine: versions, disk, devices, programs, variables."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from backends.nvml import Cards
from imageworks_dagster.doctor.findings import Finding, Level
from store.older_variables import set_in
from store.path_text import path_text
from store.settings import unknown_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.home import Home

_PACKAGE: Final = "imageworks-dagster"
_PYTHON: Final = SpecifierSet(">=3.11,<3.13")
_MIB: Final = 1024 * 1024
_TOO_LITTLE_MIB: Final = 256
_LITTLE_MIB: Final = 2048
_PROGRAMS: Final = {
    "exiftool": "reads and writes metadata of raw files, HEIC, AVIF and sidecars; without it such photos are refused",
    "tesseract": "finds text in pictures",
}
_IN_DEBIAN: Final = {"exiftool": "libimage-exiftool-perl", "tesseract": "tesseract-ocr"}


def python_and_packages() -> Iterator[Finding]:
    """Python and every package that this version needs, against what it needs of them."""
    python = platform.python_version()
    if _PYTHON.contains(python):
        yield Finding("python", "ok", f"Python {python}")
    else:
        yield Finding(
            "python",
            "broken",
            f"Python {python} is not {_PYTHON}",
            "Make the environment anew with 3.11 or 3.12.",
        )
    wrong = list(_wrong_packages())
    if not wrong:
        yield Finding("packages", "ok", f"every package that ImageWorks {version(_PACKAGE)} needs is there")
    for words in wrong:
        yield Finding(
            "packages",
            "broken",
            words,
            "Make the environment anew: `make`, or pip with requirements/base.txt.",
        )


def _wrong_packages() -> Iterator[str]:
    for text in requires(_PACKAGE) or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            yield f"{wanted.name} is not installed, and {wanted.specifier or 'any version'} is needed"
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield f"{wanted.name} is {found}, and {wanted.specifier} is needed"


def disk(home: Home) -> Iterator[Finding]:
    """Free space where the home is, or will be."""
    place = next(one for one in (home.root, *home.root.parents) if one.exists())
    free = shutil.disk_usage(place).free // _MIB
    words, remedy = (
        f"{free:,} MiB are free at {path_text(place)}",
        "Free space, or move the home: docs/operations.md.",
    )
    if free < _TOO_LITTLE_MIB:
        yield Finding("disk", "broken", words, remedy)
    elif free < _LITTLE_MIB:
        yield Finding("disk", "look", words, remedy)
    else:
        yield Finding("disk", "ok", words)


def permissions(home: Home) -> Iterator[Finding]:
    """Whether the home can be written, and by whom."""
    if not home.root.exists():
        yield Finding("home", "ok", f"{path_text(home.root)} is not there yet; the first run makes it")
        return
    unwritable = [
        one
        for one in _places(home)
        if not os.access(one, os.R_OK | os.W_OK | (os.X_OK if one.is_dir() else 0))
    ]
    for one in unwritable:
        yield Finding(
            "home",
            "broken",
            f"{path_text(one)} cannot be read and written by this user",
            "Give it to the user who runs ImageWorks: chown.",
        )
    if home.root.stat().st_mode & stat.S_IWOTH:
        yield Finding(
            "home",
            "look",
            f"{path_text(home.root)} can be written by everybody on this machine",
            "chmod o-w it.",
        )
    elif not unwritable:
        yield Finding("home", "ok", f"{path_text(home.root)} can be written")


def _places(home: Home) -> list[Path]:
    below = (
        *([home.assets] if isinstance(home.assets, Path) else []),
        home.telemetry,
        home.spool,
        home.manifests,
        home.prompts,
        home.dagster,
        home.state_db,
        home.registry,
    )
    return [home.root, *(one for one in below if one.exists())]


def devices() -> Iterator[Finding]:
    """Cards, as NVML tells them."""
    cards = Cards()
    try:
        readings = cards.read()
    finally:
        cards.close()
    for trouble in readings.problems:
        yield Finding(
            "gpu",
            "look",
            trouble,
            "Look at the driver with nvidia-smi; a container needs the NVIDIA runtime.",
        )
    for one in readings.devices:
        yield Finding(
            "gpu",
            "ok",
            f"{one.name}: {one.product}, {one.memory_free_mib} of {one.memory_total_mib} MiB free",
        )
    if not readings.devices and not readings.problems:
        yield Finding("gpu", "ok", "no NVIDIA driver here: models are asked elsewhere, or are the baselines")


def programs() -> Iterator[Finding]:
    """Programs that some work needs."""
    for name, use in _PROGRAMS.items():
        place = shutil.which(name)
        if place is None:
            words = f"{name} is not installed; it {use}"
            yield Finding(
                "programs", "look", words, f"Install it if you need that: apt install {_IN_DEBIAN[name]}."
            )
        else:
            yield Finding("programs", "ok", f"{name} is at {place}")


def variables(environ: Mapping[str, str], known: frozenset[str]) -> Iterator[Finding]:
    """Variables that look like settings and are none.

    Args:
        environ: The environment.
        known: Variables that the registry reads.
    """
    wrong = [name for name in unknown_variables(environ) if name not in known]
    for name in wrong:
        yield Finding(
            "settings",
            "look",
            f"{name} is no setting and is ignored",
            "Correct its name: `imageworks config` lists them.",
        )
    for older in set_in(environ):
        level: Level = "look" if older.words.startswith("not read") else "ok"
        yield Finding(
            "settings",
            level,
            f"{older.name} is of the older set-up: {older.words}",
            "Unset it." if level == "look" else "",
        )
    if not wrong:
        yield Finding("settings", "ok", "every IMAGEWORKS_* variable is known")
