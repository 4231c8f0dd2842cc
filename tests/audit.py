"""Is anything known against what we depend on? `./tests/run audit`.

The packages of each lock are looked up in the advisory database of PyPI, by pip-audit. Where that
can't be reached it is said, and what can be checked without it still is: that each package of each
lock stands there in one version with the hashes of its files, so that nothing else can come in its
place. The exit status is 0 when nothing is known against any of them; 1 when something is, or a
lock has a gap; 3 when nobody could be asked, be it of one package.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
NOBODY_ASKED: Final = 3
ASK_S: Final = 120
_PINNED: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[a-z,-]+\])?==(?P<version>[^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def entries(lock: Path) -> Iterator[str]:
    """Each requirement of a lock on one line, comments left out."""
    text = re.sub(r"(?m)^\s*#.*$", "", lock.read_text()).replace("\\\n", " ")
    yield from (line.strip() for line in text.splitlines() if line.strip())


def gaps(lock: Path) -> list[str]:
    """What of a lock could be another file than was meant."""
    return [
        f"{lock.name}: {entry[:60]}: {'no hash' if _PINNED.match(entry) else 'no one version'}"
        for entry in entries(lock)
        if not (_PINNED.match(entry) and _HASH.search(entry))
    ]


class Answer(NamedTuple):
    """What is known against packages of a lock, and of how many nobody could say anything."""

    weaknesses: list[str]
    unasked: int


def known(lock: Path) -> Answer | None:
    """What is known against the packages of a lock; None if nobody could be asked."""
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--format=json"),
            *("--disable-pip", "--require-hashes", f"--requirement={lock}", "--timeout=15"),
        ],
        capture_output=True,
        text=True,
        timeout=ASK_S,
        check=False,
    )
    try:
        found = json.loads(asked.stdout)
    except json.JSONDecodeError:
        # It says so in a stack trace, of which the last line is the reason.
        reason = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"{lock.name}: the advisory database can't be asked: {reason[:200]}")
        return None
    # An index that brings packages and no advisories says that it knows no such package.
    unasked = [package["name"] for package in found["dependencies"] if "skip_reason" in package]
    weaknesses = [
        f"{lock.name}: {package['name']} {package['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'no version'}"
        for package in found["dependencies"]
        for weakness in package.get("vulns", ())
    ]
    return Answer(weaknesses, len(unasked))


def main() -> int:
    """The command."""
    wrong: list[str] = []
    nobody_asked = False
    for lock in sorted(DEPLOY.glob("*.lock")):
        count = len(list(entries(lock)))
        in_lock = gaps(lock)
        wrong += in_lock
        if not in_lock:
            print(f"{lock.name}: all {count} packages stand there in one version, with hashes")
        try:
            found = known(lock)
        except subprocess.TimeoutExpired:
            print(f"{lock.name}: the advisory database did not answer within {ASK_S} s")
            found = None
        if found is None:
            nobody_asked = True
            continue
        wrong += found.weaknesses
        if found.unasked:
            nobody_asked = True
            print(f"{lock.name}: of {found.unasked} packages the index used has no advisories")
        elif not found.weaknesses:
            print(f"{lock.name}: nothing is known against any of its {count} packages")
    for each in wrong:
        print(each)
    if wrong:
        return 1
    return NOBODY_ASKED if nobody_asked else 0


if __name__ == "__main__":
    sys.exit(main())
