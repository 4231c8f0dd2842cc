"""A demo that runs on: where it is, what to try with it, and how it ends.

In: what runs. Out: lines to paste into a shell.
"""

import os
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import Final

from streams.demo.processes import Running, environment
from streams.failure import Failed
from streams.local import LocalStackError, stop_kept

COMMANDS: Final = (
    "partidor show web",
    "partidor roster pause web B --reason lunch",
    "printf 'lead_id\\nL1\\nL2\\nL3\\n' | partidor publish - --channel web --batch-id try-1",
    "partidor watch --channel web --from-beginning --timeout 5",
    "partidor lag",
)


def how_to_go_on(running: Running) -> str:
    """The endpoints, and commands to try; each line works when it is pasted after the exports."""
    settings = running.settings
    redis_url = settings.redis_url.get_secret_value()
    exports = [
        f"export {name}={quote(value)}"
        for name, value in environment(settings.bootstrap_servers, redis_url).items()
    ]
    return "\n".join(
        [
            "Everything runs on:",
            f"  Kafka      {settings.bootstrap_servers}",
            f"  Redis      {redis_url}",
            f"  Board      {running.views_url}/",
            f"  API        {running.views_url}/api/channels/web",
            "",
            "Paste these first:",
            *(f"  {line}" for line in [*exports, *_path()]),
            "",
            "Five commands to try:",
            *(f"  {line}" for line in COMMANDS),
            "",
            "It ends with:",
            "  partidor demo --stop",
        ]
    )


def _path() -> list[str]:
    """How the shell finds the command, unless it does already."""
    own = Path(sys.executable).parent
    found = shutil.which("partidor")
    if found is not None and Path(found).parent == own:
        return []
    return [f"export PATH={quote(os.fspath(own))}:$PATH"]


def stop() -> bool:
    """End a demo that was kept, with its data. Returns whether there was one; raises Failed."""
    try:
        return stop_kept()
    except LocalStackError as error:
        raise Failed(str(error)) from None
