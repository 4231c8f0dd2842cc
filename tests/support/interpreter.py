"""A Python of its own, for what is counted or measured of a whole process."""

import os
import subprocess
import sys

from .dispatchers import CODE

TIMEOUT_S = 60.0


def output_of(program: str, *arguments: str) -> str:
    """What a program prints. Raises CalledProcessError if it fails."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": CODE},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    return done.stdout
