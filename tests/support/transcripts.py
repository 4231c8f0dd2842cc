"""Console blocks of documents, run as they stand.

Lines that begin with "$ " are commands, "> " goes on with one; what follows has to be what they
print, "..." standing for anything.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

DONE = "-- done:"
END_S = 60.0


class Block(NamedTuple):
    """A fenced block: its language, its lines, and the line of the README where it begins."""

    language: str
    lines: list[str]
    line_number: int


class Shell:
    """A bash that goes on from command to command, as in a terminal."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        """Starts it, in a session of its own; background jobs end with it."""
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, list[str]]:
        """The exit status of a command, and the lines it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho; echo '{DONE}' $?\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.startswith(DONE):
                if lines and lines[-1] == "":
                    lines.pop()
                return int(line.removeprefix(DONE)), lines
            lines.append(line.rstrip("\n"))
        pytest.fail(f"the shell ended in {command!r}: {lines}")

    def close(self) -> None:
        """End it and what it left running, and wait for that.

        Not by `kill $(jobs -p)`: a job that calls a function of the shell is a shell itself, and
        what that runs would go on.
        """
        signals = [signal.SIGTERM, signal.SIGKILL]
        with suppress(ProcessLookupError):
            for each in signals:
                os.killpg(self._process.pid, each)
                ends_at_s = time.monotonic() + END_S
                while time.monotonic() < ends_at_s:
                    self._process.poll()  # else it stays in its group, ended
                    os.killpg(self._process.pid, 0)
                    time.sleep(0.05)
        self._process.communicate()


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a document."""
    language, lines, began = "", [], 0
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.startswith("```"):
            if began:
                yield Block(language, lines, began)
                began = 0
            else:
                language, lines, began = line[3:].strip(), [], number
        elif began:
            lines.append(line)


def transcript(block: Block) -> list[tuple[str, list[str]]]:
    """(command, expected lines) of a console block."""
    steps: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif line.startswith("> ") and not steps[-1][1]:
            steps[-1] = (f"{steps[-1][0]}\n{line[2:]}", [])
        else:
            steps[-1][1].append(line)
    return steps


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the output is as shown; "..." is anything, also over several lines."""
    pattern = re.escape("\n".join(expected)).replace(re.escape("..."), ".*")
    return (
        re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed), re.DOTALL) is not None
    )
