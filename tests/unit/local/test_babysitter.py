"""A server whose starter was gone before the babysitter had begun ends as well."""

import os
import subprocess
import sys
from pathlib import Path

from streams.local import babysitter

SERVER = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"


def test_a_starter_that_is_gone_before_it_reads_the_server_s_id(tmp_path: Path) -> None:
    """Nobody reads what the babysitter says; it ends its server and cleans up all the same."""
    data, log = tmp_path / "data", tmp_path / "log"
    named = tmp_path / "server"
    command: list[str | os.PathLike[str]] = [sys.executable, babysitter.__file__]
    command += ["--directory", data / "server", "--log", log]
    command += ["--grace-seconds", "5", "--remove", data]
    command += ["--", sys.executable, "-c", SERVER, named]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody_reads:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=nobody_reads,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (ended.stderr, log.read_bytes()) == (b"", b"")
    assert not data.exists()
    if named.exists():  # it may be ended before it can say who it is
        assert not Path(f"/proc/{named.read_text()}").exists()
