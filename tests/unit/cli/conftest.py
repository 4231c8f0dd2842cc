"""The command in this process: quick, and its errors can be looked at."""

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from streams.cli import main


class Result(NamedTuple):
    """What a command left behind."""

    exit_code: int
    out: str
    err: str


Partidor = Callable[..., Result]


@pytest.fixture
def partidor(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Partidor:
    """`partidor("replay", "-", stdin=b"...")` runs a command."""

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Result(exit_code, out, err)

    return run
