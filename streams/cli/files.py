"""Files that commands are given, and the clock."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def _there(path: Path) -> Path:
    """An input file that can be opened, or `-`; a wrong one is wrong usage, like a wrong option."""
    if not is_stdin(path):
        if not path.exists():
            raise typer.BadParameter(f"there is no file {path}")
        if path.is_dir():
            raise typer.BadParameter(f"{path} is a directory")
    return path


def check_there(path: Path | None) -> Path | None:
    """The same for an option that may be left out."""
    return None if path is None else _there(path)


InputFile = Annotated[
    Path, typer.Argument(metavar="FILE", callback=_there, help="A file; - is stdin.")
]


def _there_if_given(path: Path | None) -> Path | None:
    return None if path is None else _there(path)


LogFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        callback=_there_if_given,
        help="Not the topics, but what `partidor replay` gave; - is stdin.",
    ),
]


def is_stdin(path: Path) -> bool:
    """Whether the path is `-`."""
    return str(path) == "-"


def name_of(path: Path) -> str:
    """What messages call an input file."""
    return "stdin" if is_stdin(path) else str(path)


def read_file(path: Path) -> bytes:
    """All of a file; `-` is stdin. Raises OSError."""
    return sys.stdin.buffer.read() if is_stdin(path) else path.read_bytes()


def now_text() -> str:
    """This moment as events write it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
