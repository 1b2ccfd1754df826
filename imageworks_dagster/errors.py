"""What can go wrong on this floor.

PlatformError
├── WrongChoice        a profile or model that does not exist or cannot do what the stage asks
├── OutdatedTable      an earlier stage's table that does not know an entry
├── OtherRules         an earlier stage's table that was made under other rules
├── NothingKnown       photos to forget of which nothing is known
├── NothingToPublish   a batch to publish that has no result
├── NothingToTry       a trial of prompts in which nothing would be compared
├── CannotExecute      an executor that is set and cannot be had
├── BatchTaken         a batch that another run works on
├── OtherHome          a step in the hands of a worker whose home is another than the run's
├── BrokerUnreachable  what hands steps to workers does not answer
├── WorkerCutOff       a worker that no longer reaches what a step is carried out with
├── StepLost           a step that was lost with one worker after the other
├── AlreadyServed      a web UI whose port or home another program has
├── EndedEarly         a program that was to go on ended by itself
├── BackupFailed       a backup that could not be taken
├── AlertNotDelivered  an alert about a failed run that nobody took
└── BackupRefused      a backup that is none of ours or not whole, or a home for it that holds something
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


class CannotExecute(PlatformError):
    """An executor that is set and cannot be had."""


class BatchTaken(PlatformError):
    """A batch to work on, or to forget photos of, that another run works on."""


class OtherHome(PlatformError):
    """A step in the hands of a worker whose home is another than the run's."""


class BrokerUnreachable(PlatformError):
    """What hands steps to workers, and keeps how they ended, does not answer."""


class WorkerCutOff(PlatformError):
    """A worker that no longer reaches what a step is carried out with: another may."""


class StepLost(PlatformError):
    """A step that was lost with one worker after the other."""


class AlreadyServed(PlatformError):
    """A web UI to start whose port or home another program has."""


class EndedEarly(PlatformError):
    """A program that was to go on ended by itself."""


class AlertNotDelivered(PlatformError):
    """An alert about a failed run that a webhook or a mail server did not take."""


class BackupFailed(PlatformError):
    """A backup that could not be taken."""


class BackupRefused(PlatformError):
    """A backup that is none of ours or not whole, or a home for it that holds something already."""
