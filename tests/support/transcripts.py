"""Console blocks of documents, run as they stand.

Lines that begin with "$ " are commands, "> " goes on with one; what follows has to be what they
print, "..." standing for anything.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

DONE = "-- done:"


class Block(NamedTuple):
    """A fenced block: its language, its lines, and the line of the README where it begins."""

    language: str
    lines: list[str]
    line_number: int


class Shell:
    """A bash that goes on from command to command, as in a terminal."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        """Starts it; background jobs end with it."""
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            text=True,
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
        """End it and what it left running, and wait for that."""
        assert self._process.stdin is not None
        self._process.stdin.write("kill $(jobs -p) 2>/dev/null; wait; exit 0\n")
        self._process.stdin.close()
        self._process.wait(60)


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
