"""Objects of a store that several hosts share, named and read as files in folders are.

S3 is spoken by pyarrow, which the tables need anyway; any other URL is fsspec's, with the package that its protocol
needs. Nothing here renames, locks, or relies on folders: such a store has none of them.
"""

from __future__ import annotations

import functools
import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from store.errors import ArtifactsUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fsspec import AbstractFileSystem

STORE_VARIABLES: Final = ("AWS_", "AZURE_", "GOOGLE_", "FSSPEC_")
"""Variables in which endpoints and credentials of such stores are found begin with one of these."""

_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 60.0
_TRIES: Final = 3
# What the file systems of fsspec call the time of a change.
_CHANGED: Final = ("mtime", "LastModified", "last_modified", "updated", "created")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing has it.

    Attributes:
        path: Where it is.
        size: Its bytes.
        changed_at: When it was written, by the store's clock.
    """

    path: ObjectPath
    size: int
    changed_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """The place of an object, or of all whose names begin with it and a slash.

    Attributes:
        url: `protocol://bucket/prefix/…`, without a slash at the end.
    """

    url: str

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last step of the path."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        """What it lies in."""
        return ObjectPath(self.url.rpartition("/")[0])

    def relative_to(self, other: ObjectPath) -> PurePosixPath:
        """The steps from `other` to here.

        Raises:
            ValueError: It is not below `other`.
        """
        return PurePosixPath(self.url).relative_to(other.url)

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The object as a file to read: fetched whole, for parts are small."""
        if mode != "rb":
            raise ValueError(f"{mode!r}: objects are written whole, with `write`")
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        """All of it.

        Raises:
            FileNotFoundError: There is none.
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        with self._asking() as files:
            content: bytes = files.cat_file(self._key)
        return content

    def write(self, data: bytes) -> None:
        """Put an object here, whole or not at all; what was here is replaced.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        with self._asking() as files:
            files.pipe_file(self._key, data)

    def unlink(self) -> None:
        """Remove the object, if there is one.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        try:
            with self._asking() as files:
                files.rm_file(self._key)
        except FileNotFoundError:
            return

    def remove(self) -> None:
        """Remove every object below.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        try:
            with self._asking() as files:
                files.rm(self._key, recursive=True)
        except FileNotFoundError:
            return

    def children(self) -> tuple[ObjectPath, ...]:
        """What lies directly in it, by name; nothing if there is nothing.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        return tuple(sorted(self / one["name"].rstrip("/").rpartition("/")[2] for one in self._listing()))

    def below(self) -> Iterator[StoredObject]:
        """Every object below.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        for one in self._listing():
            path = self / one["name"].rstrip("/").rpartition("/")[2]
            if one["type"] == "directory":
                yield from path.below()
            else:
                yield StoredObject(path, one["size"], _changed_at(path, one))

    def check(self) -> None:
        """Ask whether the bucket, or what stands for one, is there.

        Raises:
            ArtifactsUnreachable: It is not, or the store does not answer, or refuses.
        """
        bucket = self._key.partition("/")[0]
        try:
            with self._asking() as files:
                files.info(bucket)
        except FileNotFoundError as error:
            raise _unreachable(self.url, f"there is no {bucket!r}") from error

    @property
    def _key(self) -> str:
        return self.url.partition("://")[2]

    def _listing(self) -> list[dict[str, Any]]:
        try:
            with self._asking() as files:
                found = files.ls(self._key, detail=True)
        except FileNotFoundError:
            return []
        # Some stores keep an empty object for a folder.
        return [one for one in found if one["name"].strip("/") != self._key.strip("/")]

    @contextmanager
    def _asking(self) -> Iterator[AbstractFileSystem]:
        try:
            yield _file_system(self.url.partition("://")[0], os.getpid(), _endpoint())
        except FileNotFoundError:
            raise
        # Each protocol's package has errors of its own.
        except Exception as error:
            raise _unreachable(self.url, str(error) or type(error).__name__) from error


Place: TypeAlias = "Path | ObjectPath"
"""Where a table is: on a disk, or in a store of objects."""


def _changed_at(path: ObjectPath, facts: dict[str, Any]) -> datetime:
    for name in _CHANGED:
        if isinstance(when := facts.get(name), datetime):
            return when if when.tzinfo else when.replace(tzinfo=UTC)
        if isinstance(when, int | float):
            return datetime.fromtimestamp(when, UTC)
    raise _unreachable(path.url, "its store does not say when an object was written")


def _unreachable(url: str, why: str) -> ArtifactsUnreachable:
    return ArtifactsUnreachable(
        f"{url} cannot be asked: {why.rstrip('.')}. See that the store runs, that IMAGEWORKS_ARTIFACTS_URL names a "
        "bucket that exists, and that its endpoint and credentials (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID "
        "and AWS_SECRET_ACCESS_KEY for s3://) are set here; then do it again. What was published is untouched."
    )


def _endpoint() -> tuple[str | None, ...]:
    """What of the environment makes another client."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE")
    return tuple(os.environ.get(name) or None for name in names)


@functools.lru_cache(maxsize=4)
def _file_system(protocol: str, process: int, endpoint: tuple[str | None, ...]) -> AbstractFileSystem:
    """The client of a protocol; a process that was forked gets one of its own."""
    del process
    if protocol != "s3":
        import fsspec  # noqa: PLC0415 - most homes have no such store

        files: AbstractFileSystem = fsspec.filesystem(
            protocol, use_listings_cache=False, skip_instance_cache=True
        )
        return files
    from fsspec.implementations.arrow import ArrowFSWrapper  # noqa: PLC0415 - as above
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415 - as above

    of_s3, of_all, region, default_region, certificates = endpoint
    # Credentials are found by the SDK: in variables, in ~/.aws, in the role of a machine or a pod.
    client = S3FileSystem(
        endpoint_override=of_s3 or of_all,
        region=region or default_region,
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        tls_ca_file_path=certificates,
        # Small objects in one request, which is there whole or not at all.
        allow_delayed_open=True,
    )
    return ArrowFSWrapper(client)
