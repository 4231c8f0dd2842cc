"""Fuzz every decoder, guided by coverage, and say what came of it.

    tests/run fuzz [--seconds N] [--quiet-seconds N] [TARGET...]

Each target runs in a process of its own (atheris, which is libFuzzer for Python) until its time is
up, or until that long nothing new was covered. It begins with the seeds, and with what earlier runs
left in `.fuzz/`. Printed is, for each: inputs tried, seconds, the code's coverage as libFuzzer
counts it, since when nothing new was covered, and findings. An input that is a finding is kept in
`tests/fuzz/found/TARGET/`, where unit tests run it from then on. The exit status is 1 if there are
any.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
FOUND: Final = Path(__file__).parent / "found"
CORPUS: Final = ROOT / ".fuzz"
MEMORY_MAX_MB: Final = 1_024
INPUT_BYTES_MAX: Final = 16_384
ONE_INPUT_MAX_S: Final = 10
_STATUS: Final = re.compile(r"^#(?P<cases>\d+)\s+(?P<what>\w+)\s+cov: (?P<cov>\d+) ft: (?P<ft>\d+)")


class Campaign(NamedTuple):
    """What came of one target.

    Attributes:
        coverage: places in the code, as libFuzzer counts them.
        features: the same, with how often.
        quiet_s: since when no new place was reached.
        findings: files of inputs.
    """

    target: str
    cases: int
    seconds: float
    coverage: int
    features: int
    quiet_s: float
    findings: list[str]


def fuzz(name: str, seconds: float, quiet_seconds: float) -> Campaign:
    """Fuzz one target in a process of its own."""
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partidor-fuzz-") as scratch:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus)),
                f"-max_total_time={int(seconds)}",
                f"-rss_limit_mb={MEMORY_MAX_MB}",
                f"-timeout={ONE_INPUT_MAX_S}",
                f"-max_len={INPUT_BYTES_MAX}",
                f"-artifact_prefix={scratch}/",
                f"-dict={_dictionary(name, Path(scratch))}",
                "-use_value_profile=0",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": scratch},
        )
        begun = last_new = time.monotonic()
        cases = coverage = features = 0
        said: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            said = [*said[-40:], line]
            status = _STATUS.match(line)
            if status is None:
                continue
            cases, features = int(status["cases"]), int(status["ft"])
            if int(status["cov"]) > coverage:
                coverage, last_new = int(status["cov"]), time.monotonic()
            elif time.monotonic() - last_new > quiet_seconds:
                process.terminate()
                break
        process.communicate()
        ended = time.monotonic()
        findings = _kept(name, Path(scratch))
        if findings or coverage == 0:
            sys.stderr.writelines(line for line in said if not _STATUS.match(line))
        if coverage == 0:
            raise SystemExit(f"{name}: the fuzzer did not run")
    return Campaign(name, cases, ended - begun, coverage, features, ended - last_new, findings)


def _kept(name: str, scratch: Path) -> list[str]:
    """The inputs that are findings, moved to where tests run them."""
    kept = []
    for path in sorted(scratch.glob("*-*")):
        if path.name.split("-")[0] not in ("crash", "timeout", "oom", "leak"):
            continue
        content = path.read_bytes()
        file = FOUND / name / hashlib.sha256(content).hexdigest()[:16]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        kept.append(str(file.relative_to(ROOT)))
    return kept


def _dictionary(name: str, scratch: Path) -> Path:
    """The words of the seeds, for inputs to be made of."""
    from tests.fuzz.targets import seeds

    words = {
        word
        for seed in seeds(name)
        for word in re.findall(rb'"[A-Za-z_]{2,40}":?|[a-z-]{3,30}=', seed)
    }
    path = scratch / "dictionary"
    lines = (b'"' + word.replace(b'"', b"\\x22") + b'"\n' for word in sorted(words))
    path.write_bytes(b"".join(lines))
    return path


def main() -> int:
    """The command."""
    from tests.fuzz.targets import FUZZED

    parser = argparse.ArgumentParser(prog="tests/run fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(FUZZED)}")
    parser.add_argument("--seconds", type=float, default=3_600, help="of each target at most")
    parser.add_argument(
        "--quiet-seconds", type=float, default=600, help="without anything new, then it ends"
    )
    given = parser.parse_args()
    unknown = set(given.targets) - set(FUZZED)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    campaigns = []
    print("| target | inputs | seconds | coverage | features | nothing new for, s | findings |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in given.targets or FUZZED:
        done = fuzz(name, given.seconds, given.quiet_seconds)
        campaigns.append(done)
        print(
            f"| {done.target} | {done.cases:,} | {done.seconds:.0f} | {done.coverage}"
            f" | {done.features} | {done.quiet_s:.0f} | {', '.join(done.findings) or 'none'} |",
            flush=True,
        )
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / "fuzz.json").write_text(json.dumps([each._asdict() for each in campaigns], indent=2))
    return 1 if any(each.findings for each in campaigns) else 0


if __name__ == "__main__":
    sys.exit(main())
