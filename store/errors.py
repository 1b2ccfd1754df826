"""What can go wrong while keeping things.

StoreError
├── SettingsError           a setting has a value that cannot be used
├── HomeError               the home folder cannot be made or written
├── PublishFailed           a file could not be published; the old one is untouched
├── ArtifactsUnreachable    the store of objects does not answer, or refuses
├── ArchiveRefused          an archive that is none of ours, or holds what none of ours does
├── DatabaseError           the state database cannot do what was asked
│   ├── DatabaseUnreachable     it cannot be opened or reached
│   ├── DatabaseOlder           an earlier version of this program has made it, and it is only read
│   ├── DatabaseNewer           a later version of this program has changed it
│   ├── DatabaseBusy            another process held it for too long
│   ├── DatabaseFull            the disk under it is full
│   └── DatabaseClosed          it was closed, or is used in a way that cannot end
├── BatchError              something about a batch
│   ├── BadBatchName            a name that is no safe slug
│   ├── BatchNameTaken          another folder has this name
│   └── UnknownBatch            nobody registered it
├── BadOverride             a person's word that its column cannot hold, or that has no reason
└── TableError              something about an asset's table
    ├── InvalidTable            its rows or columns break the rules for tables
    ├── MissingTable            it was never published
    ├── DamagedTable            what is on the disk is not what was published
    └── PublishConflict         another run published first
"""

from __future__ import annotations


class StoreError(Exception):
    """Anything that this package raises on its own account."""


class SettingsError(StoreError):
    """A setting has a value that cannot be used."""


class HomeError(StoreError):
    """The home folder cannot be made or written."""


class PublishFailed(StoreError):
    """A file could not be published; what was there before is untouched."""


class ArtifactsUnreachable(StoreError):
    """The store of objects that holds the tables does not answer, or refuses."""


class ArchiveRefused(StoreError):
    """An archive that is none of ours, is cut off, or holds what none of ours does."""


class BadOverride(StoreError):
    """A person's word that its column cannot hold, or that has no reason."""


class DatabaseError(StoreError):
    """The state database cannot do what was asked."""


class DatabaseUnreachable(DatabaseError):
    """The state database cannot be opened or reached."""


class DatabaseOlder(DatabaseError):
    """The state database is of an earlier version of this program, and whoever only reads leaves it so."""


class DatabaseNewer(DatabaseError):
    """The state database was changed by a later version of this program."""


class DatabaseBusy(DatabaseError):
    """Another process held the state database for longer than we wait."""


class DatabaseFull(DatabaseError):
    """The disk under the state database is full."""


class DatabaseClosed(DatabaseError):
    """The state database was closed, or its writer was asked to wait for itself."""


class BatchError(StoreError):
    """Something about a batch."""


class BadBatchName(BatchError):
    """A batch's name is no safe slug."""


class BatchNameTaken(BatchError):
    """Another folder is registered under this name."""


class UnknownBatch(BatchError):
    """No batch of this name is registered."""


class TableError(StoreError):
    """Something about an asset's table."""


class InvalidTable(TableError):
    """A table's rows or columns break the rules that all tables keep."""


class MissingTable(TableError):
    """No table was published for this asset and batch."""


class DamagedTable(TableError):
    """What is on the disk is not what was published."""


class PublishConflict(TableError):
    """Another run moved the pointer first.

    Attributes:
        winner: Run id of the table that is current now, or None when it was removed.
    """

    def __init__(self, message: str, *, winner: str | None) -> None:
        super().__init__(message)
        self.winner = winner
