"""An export proves itself: whatever is changed in it afterwards is told."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.audit.export_files import (
    FORMAT,
    Filters,
    LinesFile,
    Manifest,
    differences,
    read_manifest,
    write_manifest,
)
from streams.failure import Failed
from streams.whole_files import whole_directory

LINES = [b'{"n":%d}' % number for number in range(1_000)]


def written(directory: Path) -> tuple[Manifest, str]:
    """A directory with two files and their manifest."""
    files = {}
    for name in ("plain.jsonl", "compressed.jsonl.gz"):
        file = LinesFile(directory / name)
        for line in LINES:
            file.write(line)
        files[name] = file.close()
    filters = Filters([], None, None, with_attributes=False)
    manifest = Manifest(FORMAT, "1", "partidor", "2026-11-22T09:00:00.000Z", filters, {}, files)
    return manifest, write_manifest(directory, manifest)


def test_what_is_written_is_what_is_read_and_always_the_same_bytes(tmp_path: Path) -> None:
    """Neither a time nor a name gets into a compressed file."""
    found = []
    for name in ("a", "b"):
        with whole_directory(tmp_path / name) as beside:
            manifest, digest = written(beside)
        assert read_manifest(tmp_path / name) == (manifest, digest)
        assert not list(differences(tmp_path / name, manifest))
        found.append(digest)
    assert gzip.decompress((tmp_path / "a" / "compressed.jsonl.gz").read_bytes()) == (
        b"\n".join(LINES) + b"\n"
    )
    assert found[0] == found[1]


def edited(path: Path) -> None:
    """One byte is another."""
    data = bytearray((path / "plain.jsonl").read_bytes())
    data[5] ^= 1
    (path / "plain.jsonl").write_bytes(data)


def cut(path: Path) -> None:
    """The end is missing."""
    data = (path / "compressed.jsonl.gz").read_bytes()
    (path / "compressed.jsonl.gz").write_bytes(data[:-100])


def removed(path: Path) -> None:
    """A file is missing."""
    (path / "plain.jsonl").unlink()


def added(path: Path) -> None:
    """A file more."""
    (path / "more.jsonl").write_bytes(b"{}\n")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (edited, "plain.jsonl has another SHA-256"),
        (cut, "compressed.jsonl.gz has"),
        (removed, "plain.jsonl is missing"),
        (added, "more.jsonl is not in the manifest"),
    ],
)
def test_whatever_is_changed_is_told(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    """By the name of the file."""
    manifest, _ = written(tmp_path)
    spoil(tmp_path)
    (found,) = differences(tmp_path, manifest)
    assert found.startswith(told)


def written_twice(directory: Path) -> None:
    """The second time fails, with some files written."""
    with whole_directory(directory) as beside:
        written(beside)
        written(beside)


def test_a_directory_is_there_with_all_its_files_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is left of an attempt that fails; nothing that is there is replaced."""
    with pytest.raises(FileExistsError):
        written_twice(tmp_path / "new")
    assert not list(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(Failed, match="not empty"), whole_directory(tmp_path / "full"):
        pass
    (tmp_path / "empty").mkdir()
    with whole_directory(tmp_path / "empty") as beside:
        written(beside)
    assert read_manifest(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_mode & 0o077 == 0


def test_what_is_no_export_is_called_so(tmp_path: Path) -> None:
    """Without a manifest, with a broken one, with one of another format."""
    with pytest.raises(Failed, match="no export"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(Failed, match="can't be read"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").unlink()
    written(tmp_path)
    text = (tmp_path / "manifest.json").read_text().replace('"format": 1', '"format": 2')
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Failed, match="format 2"):
        read_manifest(tmp_path)
