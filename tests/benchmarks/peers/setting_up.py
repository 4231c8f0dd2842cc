"""The peers' own environments, made once in the user's cache: Kafka Streams' jars, Quix's packages.

A machine without a Java compiler, or from which no package can be fetched, measures without them.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from streams.local.cache import cache_dir, locked
from streams.local.jars import KAFKA_VERSION
from streams.local.java import find_java
from tests.support.machine import LeftOut

HERE: Final = Path(__file__).parent
JACKSON_VERSION: Final = "2.21.2"
QUIX_VERSION: Final = "3.28.1"
STEP_TIMEOUT_S: Final = 900


def kafka_streams() -> list[str]:
    """The command that runs `LeadDispatcher`, but for its argument. Raises LeftOut."""
    source = HERE / "kafka_streams" / "LeadDispatcher.java"
    compiler = shutil.which("javac")
    if compiler is None:
        raise LeftOut("no Java compiler", "install a JDK (on Debian default-jdk-headless)")
    java = find_java()
    directory = cache_dir() / f"kafka-streams-{KAFKA_VERSION}"
    jars = directory / "jars"
    with locked("kafka-streams"):
        if not jars.is_dir():
            _fetch_jars(jars)
        classes = directory / "classes"
        compiled = classes / "LeadDispatcher.class"
        if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
            _run(compiler, "--release", "17", "-cp", f"{jars}/*", "-d", str(classes), str(source))
    return [str(java.program), "-Xmx2g", "-cp", f"{classes}:{jars}/*", "LeadDispatcher"]


def _fetch_jars(jars: Path) -> None:
    try:
        import jgo

        found = jgo.resolve(
            f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}"
            f"+com.fasterxml.jackson.core:jackson-databind:{JACKSON_VERSION}"
        )
        files = [Path(artifact.resolve()) for artifact in found]
    except (ImportError, OSError, RuntimeError) as error:
        raise LeftOut(f"Kafka Streams' jars: {error}", "reach a Maven repository once") from error
    scratch = jars.with_name("jars.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for file in files:
        shutil.copy(file, scratch)
    scratch.rename(jars)


def quix() -> Path:
    """The interpreter that has Quix Streams, which pins clients that are not ours."""
    directory = cache_dir() / f"quix-{QUIX_VERSION}"
    python = directory / "bin" / "python"
    whole = directory / "whole"
    with locked("quix"):
        # Written last: an installation that was ended on the way is begun again.
        if not whole.exists():
            shutil.rmtree(directory, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(directory))
            # Isolated: what PYTHONPATH holds would be taken for installed.
            _run(str(python), "-I", "-m", "pip", "install", "-q", f"quixstreams=={QUIX_VERSION}")
            whole.touch()
    return python


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise LeftOut(f"{command[0]} failed: {done.stderr[-500:]}", "see what it says")
