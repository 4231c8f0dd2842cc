"""The README is true: every command in it is run, every program, and the tables are the code's.

Blocks marked `console` are transcripts, run top to bottom in one shell: lines that begin with "$ "
are commands, "> " goes on with one, and they have to succeed; what follows has to be what they
print, "..." standing for anything. Blocks marked `python` are programs. `localhost:9092` and
`localhost:6379` stand for the Kafka and the Redis of the test.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from streams.documentation import with_tables
from streams.local import LocalStack
from tests.support.transcripts import Shell, blocks, matches, transcript

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
# What would run itself, or takes as long as all the rest, is run in a smaller way.
INSTEAD = {
    "./deploy/demo": f"{ROOT}/deploy/demo --leads 2000",
    "./tests/run": f"{ROOT}/tests/run --help",
}
# Where there is no curl: the one thing that the README does with it.
CURL = """#!/bin/sh
exec python -c '
import sys, time, urllib.request
for attempt in range(30):
    try:
        print(urllib.request.urlopen(sys.argv[-1]).read().decode())
        break
    except OSError:
        time.sleep(1)
else:
    sys.exit(1)
' "$@"
"""


@pytest.mark.timeout(600)
def test_every_command_and_program_in_the_readme_does_what_it_says(tmp_path: Path) -> None:
    """From the first to the last, as a reader would."""
    programs = Path(sys.executable).parent
    stand_ins = tmp_path / "stand-ins"
    stand_ins.mkdir()
    if shutil.which("curl") is None:
        (stand_ins / "curl").write_text(CURL)
        (stand_ins / "curl").chmod(0o755)
    with LocalStack() as stack:
        redis_address = stack.redis_url.removeprefix("redis://").removesuffix("/0")
        environment = {
            **{name: v for name, v in os.environ.items() if not name.startswith("PARTIDOR_")},
            "PATH": f"{programs}:{stand_ins}:{os.environ['PATH']}",
            "COLUMNS": "120",
            "PARTIDOR_PARTITIONS": "4",
            "PARTIDOR_CACHE_DIR": os.environ.get("PARTIDOR_CACHE_DIR", ""),
        }
        if not environment["PARTIDOR_CACHE_DIR"]:
            del environment["PARTIDOR_CACHE_DIR"]
        shell = Shell(tmp_path, environment)

        def here(text: str) -> str:
            text = text.replace("localhost:9092", stack.bootstrap_servers)
            return text.replace("localhost:6379", redis_address)

        try:
            for block in blocks(README):
                if block.language == "console":
                    for command, expected in transcript(block):
                        status, printed = shell.run(here(INSTEAD.get(command, command)))
                        shown = "\n".join(printed)
                        where = f"README line {block.line_number}: {command}"
                        assert status == 0, f"{where}\nexit status {status}\n{shown}"
                        assert not expected or matches(expected, printed), f"{where}\n{shown}"
                elif block.language == "python":
                    (tmp_path / "program.py").write_text(here("\n".join(block.lines)))
                    status, printed = shell.run("python program.py")
                    assert status == 0, f"README line {block.line_number}: {printed}"
                    assert "Traceback" not in "\n".join(printed)
        finally:
            shell.close()


def test_the_tables_of_the_readme_are_those_of_the_code() -> None:
    """Every command, setting, topic and reason has its sentence."""
    text = README.read_text()
    assert text == with_tables(text), "remake them: python -m streams.documentation README.md"


def test_every_event_shown_in_the_readme_is_valid() -> None:
    """Each line of a json block is an event as its model says."""
    import json

    from schemas.documents import EVENTS

    shown = set()
    for block in blocks(README):
        if block.language == "json":
            for line in block.lines:
                event = json.loads(line)
                EVENTS[event["type"]].model_validate(event)
                shown.add(event["type"])
    assert {"lead_batch", "lead_assigned", "batch_dispatched", "roster_replaced"} <= shown
