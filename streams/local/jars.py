"""Kafka's class path: jars by Maven coordinates, fetched once, held against recorded SHA-256.

In: `kafka_jars.sha256` beside this file, one `sha256  group:artifact:version` a line.
Out: the paths of the jars, in the order of that file, in the user's cache.
Rule: no byte of a jar is used whose hash is not the recorded one, however it came there.

`python -m streams.local.jars` prints the record anew, for a new version of Kafka. The broker is
resolved by itself: together with the logging binding its own dependencies would be overruled by
older ones.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from streams.local.cache import cache_dir, locked
from streams.local.errors import LocalStackError

KAFKA_VERSION = "4.3.1"
BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Kafka logs through slf4j; without a binding it is mute. Its dependencies are among the broker's.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"

RECORD = "kafka_jars.sha256"
DOWNLOADS_AT_ONCE = 4
DOWNLOAD_ATTEMPTS_MAX = 3
REQUEST_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Jar:
    """One jar of the class path."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name Maven gives the file."""
        return f"{self.artifact}-{self.version}.jar"


def recorded_jars() -> tuple[Jar, ...]:
    """The jars that make up the broker, as recorded with this version of Partidor."""
    jars = []
    for line in resources.files("streams.local").joinpath(RECORD).read_text().splitlines():
        if line and not line.startswith("#"):
            sha256, coordinates = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def class_path(on_progress: Callable[[str], None] = lambda _: None) -> tuple[Path, ...]:
    """The jars of the broker, fetched if they are not in the cache yet.

    Raises:
        LocalStackError: one can't be fetched, or is not the one that was recorded.
    """
    directory = cache_dir() / f"kafka-{KAFKA_VERSION}"
    jars = recorded_jars()
    with locked("kafka-jars"):
        missing = [jar for jar in jars if not _is_recorded(directory / jar.file_name, jar)]
        if missing:
            on_progress(f"fetching Apache Kafka {KAFKA_VERSION} ({len(missing)} jars, once)")
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory, prefix="fetch-") as scratch:
                _fetch_all(missing, Path(scratch), directory)
    return tuple(directory / jar.file_name for jar in jars)


def _is_recorded(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(jars: list[Jar], scratch: Path, directory: Path) -> None:
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for jar, fetched in zip(
            jars, pool.map(lambda jar: _fetch(jar, scratch), jars), strict=True
        ):
            if not _is_recorded(fetched, jar):
                raise LocalStackError(
                    f"{jar.file_name} is not the file that was recorded: its SHA-256 is "
                    f"{_sha256(fetched)}, expected {jar.sha256}. Nothing of it was used."
                )
            fetched.replace(directory / jar.file_name)


def _fetch(jar: Jar, scratch: Path) -> Path:
    """The jar as a Maven repository has it, below `scratch`; those set up for jgo are asked too."""
    try:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as error:
        raise LocalStackError(
            "the local stack needs the extra `local`: pip install 'partidor[local]'"
        ) from error
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    context = MavenContext(
        repo_cache=scratch, remote_repos=repositories, timeout=REQUEST_TIMEOUT_SECONDS
    )
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    for attempt in range(1, DOWNLOAD_ATTEMPTS_MAX + 1):
        try:
            return Path(component.artifact().resolve())
        # RuntimeError: no repository has it. OSError: what its HTTP client raises.
        except (OSError, RuntimeError) as error:
            if attempt == DOWNLOAD_ATTEMPTS_MAX:
                raise LocalStackError(
                    f"{jar.file_name} could not be fetched ({type(error).__name__}). "
                    "The first start of the local Kafka needs a network that reaches a Maven "
                    "repository; later ones need none."
                ) from error
    raise AssertionError("unreachable: the loop returns or raises")


def _resolve(endpoint: str) -> dict[str, Path]:
    """Coordinates and file of each jar that `endpoint` needs at run time."""
    import jgo

    return {
        f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}": Path(artifact.resolve())
        for artifact in jgo.resolve(endpoint)
    }


def print_record() -> None:
    """Resolve the broker's class path anew and print it as the content of `kafka_jars.sha256`."""
    scratch = tempfile.mkdtemp(prefix="partidor-record-")
    os.environ["M2_REPO"] = (
        scratch  # what lies in the user's Maven repository must not end up in the record
    )
    try:
        files = _resolve(BROKER)
        files.update((name, path) for name, path in _resolve(LOGGING).items() if name == LOGGING)
        for name in sorted(files):
            sys.stdout.write(f"{_sha256(files[name])}  {name}\n")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    print_record()
