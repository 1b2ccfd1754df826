"""What can go wrong on this floor.

PlatformError
├── WrongChoice        a profile or model that does not exist or cannot do what the stage asks
├── WrongConfig        a stage's configuration that contradicts itself
└── NothingKnown       photos to forget of which nothing is known
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something the person who started the run can put right."""


class WrongChoice(PlatformError):
    """A profile or model that does not exist or cannot do what the stage asks."""


class WrongConfig(PlatformError):
    """A stage's configuration that contradicts itself."""


class NothingKnown(PlatformError):
    """Photos to forget of which nothing is known."""
