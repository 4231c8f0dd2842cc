"""The files of an export: JSON Lines, compressed, and a manifest that all of them are proved by.

In: lines. Out: files with their length, number of lines and SHA-256; later, what is different from
what the manifest says. The manifest comes last: a directory without one is no export.
"""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import msgspec

from streams.failure import Failed

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_AT_ONCE: Final = 1 << 20
_COMPRESSION: Final = 6


class FileSeen(msgspec.Struct, frozen=True):
    """A file: bytes as they stand on the disk, and lines in it."""

    bytes: int
    lines: int
    sha256: str


class PartitionSeen(msgspec.Struct, frozen=True):
    """What was read of a partition: offsets from `first` up to, not including, `end`.

    Attributes:
        records: that stood there, committed; compaction and markers leave gaps.
        written: lines that came of them.
    """

    partition: int
    first: int
    end: int
    records: int
    written: int


class TopicSeen(msgspec.Struct, frozen=True):
    """A topic; its id tells it from another one of the same name."""

    topic_id: str
    partitions: list[PartitionSeen]


class Filters(msgspec.Struct, frozen=True):
    """What was left out; None and no channels: nothing."""

    channels: list[str]
    since: str | None
    until: str | None
    with_attributes: bool


class Manifest(msgspec.Struct, frozen=True):
    """What an export is of, and what its files are."""

    format: int
    partidor: str
    application_id: str
    exported_at: str
    filters: Filters
    topics: dict[str, TopicSeen]
    files: dict[str, FileSeen]


class _Hashed:
    """A file that is hashed as it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class LinesFile:
    """A file of lines that is written; compressed if its name says so."""

    def __init__(self, path: Path) -> None:
        """Nothing written yet."""
        self._file = path.open("xb")
        self._hashed = _Hashed(self._file)
        self._gzip: gzip.GzipFile | None = None
        if path.suffix == ".gz":
            # Without name and time, so that the same lines give the same file.
            self._gzip = gzip.GzipFile(
                "",
                "wb",
                _COMPRESSION,
                self._hashed,
                mtime=0,
            )
        self._lines = 0

    def write(self, line: bytes) -> None:
        """One more line, without its line break."""
        (self._gzip or self._hashed).write(line + b"\n")
        self._lines += 1

    def close(self) -> FileSeen:
        """All of it is written."""
        if self._gzip is not None:
            self._gzip.close()
        self._file.close()
        return FileSeen(self._hashed.size, self._lines, self._hashed.sha256.hexdigest())


def write_manifest(directory: Path, manifest: Manifest) -> str:
    """Write it; returns its SHA-256, to be kept somewhere else."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    (directory / MANIFEST).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def read_manifest(directory: Path) -> tuple[Manifest, str]:
    """The manifest of an export, and its SHA-256. Raises Failed."""
    try:
        text = (directory / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise Failed(f"{directory} is no export: there is no {MANIFEST} in it") from None
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise Failed(f"{directory / MANIFEST} can't be read: {error}") from None
    if manifest.format != FORMAT:
        raise Failed(
            f"{directory} has format {manifest.format}, this version reads {FORMAT};"
            f" it was written by partidor {manifest.partidor}"
        )
    return manifest, hashlib.sha256(text).hexdigest()


def differences(directory: Path, manifest: Manifest) -> Iterator[str]:
    """Everything in which the files are not what the manifest says."""
    strange = {file.name for file in directory.iterdir()} - manifest.files.keys() - {MANIFEST}
    for name in sorted(strange):
        yield f"{name} is not in the manifest"
    for name, seen in manifest.files.items():
        path = directory / name
        if path.name != name or not path.is_file():
            yield f"{name} is missing"
            continue
        if path.stat().st_size != seen.bytes:
            yield f"{name} has {path.stat().st_size} bytes, the manifest says {seen.bytes}"
        elif _sha256(path) != seen.sha256:
            yield f"{name} has another SHA-256 than the manifest says"
        elif (lines := _lines(path)) != seen.lines:
            yield f"{name} has {lines} lines, the manifest says {seen.lines}"


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_AT_ONCE):
            found.update(part)
    return found.hexdigest()


def _lines(path: Path) -> int:
    count = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while part := file.read(_AT_ONCE):
            count += part.count(b"\n")
    return count
