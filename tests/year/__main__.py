"""`tests/run year`: a year of loans on a Kafka and a Redis of its own, compared with its plan.

Says each week how it goes, then the report; with --json FILE also that. Exit 1 when a finding
isn't true. Without --plan every banker works and every branch is filled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from streams.local import LocalStack
from tests.support.installation import Installation

from .loans import full_plan, read_bankers, read_branches, read_loans
from .report import report, table
from .running import QUICK, Course, Year
from .tail import printable

DATA = Path(__file__).parents[2] / "streams" / "planning" / "data" / "nab-victoria"


def main() -> int:
    """Run it; the exit status."""
    given = _arguments()
    loans = read_loans(given.data)
    with tempfile.TemporaryDirectory(prefix="partidor-year-") as name, LocalStack() as stack:
        directory = Path(name)
        plan_file = given.plan
        if plan_file is None:
            plan_file = directory / "plan.json"
            plan = full_plan(read_branches(given.data), read_bankers(given.data), loans)
            plan_file.write_text(plan.model_dump_json())
        course = Course(
            weeks=given.weeks, part=given.part, seed=given.seed,
            kill_follower_on=given.weeks * 2, kill_dispatcher_on=given.weeks * 3,
            within=given.within,
            booked_only=given.booked_only,
        )  # fmt: skip
        with Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation:
            found = _run(Year(installation, plan_file.resolve(), loans, course, _say))
    sys.stdout.write(table(found) + "\n")
    if given.json is not None:
        given.json.write_text(printable(found) + "\n")
    return 0 if all(found["findings"].values()) else 1


def _run(year: Year) -> dict[str, object]:
    installation = year.installation
    for slot in ("0", "1"):
        installation.start(slot, **QUICK)
    first = year.publish()
    installation.wait_until_processed()
    second = year.publish()
    _say(f"published {first['published']} changes, then again {second['published']}")
    year.run()
    found = report(year)
    found["published"] = [first["published"], second["published"]]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run year", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="a directory with loans.csv ...")
    parser.add_argument("--plan", type=Path, help="of `partidor plan solve --json`")
    parser.add_argument("--weeks", type=int, default=52)
    parser.add_argument(
        "--part", type=float, default=0.02, help="of what is missing, in one batch at most"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within", type=int, default=0, help="as of `partidor plan follow`")
    parser.add_argument("--booked-only", action="store_true", help="likewise")
    parser.add_argument("--json", type=Path, help="where the report is written to")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
