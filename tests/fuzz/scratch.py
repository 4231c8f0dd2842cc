"""Where targets put files."""

import tempfile
from functools import cache
from pathlib import Path


@cache
def _directory() -> "tempfile.TemporaryDirectory[str]":
    """Removed when this process ends; libFuzzer's ends without, and has a TMPDIR that goes."""
    return tempfile.TemporaryDirectory(prefix="partidor-fuzz-")


def scratch() -> Path:
    """A directory of this process."""
    return Path(_directory().name)
