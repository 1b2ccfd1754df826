"""What can go wrong on this floor.

PlatformError
├── WrongChoice        a profile or model that does not exist or cannot do what the stage asks
├── OutdatedTable      an earlier stage's table that does not know an entry
├── OtherRules         an earlier stage's table that was made under other rules
├── NothingKnown       photos to forget of which nothing is known
├── NothingToPublish   a batch to publish that has no result
├── NothingToTry       a trial of prompts in which nothing would be compared
└── AlreadyServed      a web UI whose port or home another program has
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something the person who started the run can put right."""


class WrongChoice(PlatformError):
    """A profile or model that does not exist or cannot do what the stage asks."""


class OutdatedTable(PlatformError):
    """An earlier stage's table that does not know an entry: the folder changed after it was made."""


class OtherRules(PlatformError):
    """An earlier stage's table that was made under other rules than those of the competition now."""


class NothingKnown(PlatformError):
    """Photos to forget of which nothing is known."""


class NothingToPublish(PlatformError):
    """A batch to publish that has no result yet."""


class NothingToTry(PlatformError):
    """A trial of prompts in which nothing would be compared."""


class AlreadyServed(PlatformError):
    """A web UI to start whose port or home another program has."""
