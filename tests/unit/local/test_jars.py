"""Kafka's jars: nothing is used but what was recorded."""

import hashlib
from pathlib import Path

import pytest

from streams.local import jars
from streams.local.errors import LocalStackError
from streams.local.jars import KAFKA_VERSION, Jar, class_path, recorded_jars

CONTENT = b"the content of a jar"
RECORDED = Jar("org.example", "part", "1.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """A Maven repository of which the test decides what it gives out; the cache is empty."""
    contents: dict[str, bytes] = {}

    def fetch(jar: Jar, scratch: Path) -> Path:
        path = scratch / jar.file_name
        path.write_bytes(contents[jar.file_name])
        return path

    monkeypatch.setenv("PARTIDOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(jars, "_fetch", fetch)
    monkeypatch.setattr(jars, "recorded_jars", lambda: (RECORDED,))
    return contents


def test_the_record_names_one_version_of_each_jar_and_the_broker_itself() -> None:
    """Two versions of one jar on a class path is a fault that shows up late."""
    names = [jar.artifact for jar in recorded_jars()]
    assert len(set(names)) == len(names)
    versions = {jar.version for jar in recorded_jars() if jar.group == "org.apache.kafka"}
    assert versions == {KAFKA_VERSION}
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl"} <= set(names)
    assert all(len(jar.sha256) == 64 for jar in recorded_jars())


def test_a_jar_is_fetched_once(repository: dict[str, bytes]) -> None:
    """The second time nothing is fetched, and nothing is said."""
    repository[RECORDED.file_name] = CONTENT
    said: list[str] = []
    (path,) = class_path(said.append)
    assert path.read_bytes() == CONTENT
    assert len(said) == 1
    repository.clear()
    assert class_path(said.append) == (path,)
    assert len(said) == 1


def test_a_jar_that_is_not_the_recorded_one_is_refused(repository: dict[str, bytes]) -> None:
    """What a repository gives out is not believed, and nothing of it stays."""
    repository[RECORDED.file_name] = b"something else"
    with pytest.raises(LocalStackError, match=r"part-1\.0\.jar is not the file that was recorded"):
        class_path()
    repository[RECORDED.file_name] = CONTENT
    (path,) = class_path()
    assert path.read_bytes() == CONTENT


def test_a_jar_that_was_changed_in_the_cache_is_fetched_again(
    repository: dict[str, bytes],
) -> None:
    """The cache is not believed either."""
    repository[RECORDED.file_name] = CONTENT
    (path,) = class_path()
    path.write_bytes(b"tampered with")
    assert class_path() == (path,)
    assert path.read_bytes() == CONTENT
