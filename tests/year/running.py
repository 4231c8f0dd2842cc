"""A year, day by day: loans come in, are divided, processed and booked, and weights follow.

In: an installation with dispatchers, a plan, loans. Out: what the dispatchers decided (`Tail`), and
how the year went.

- A year has `weeks` of five days. Each loan comes on a day of its own drawing, in an order drawn
  by the seed. A day's loans come in batches; towards the end they are smaller, because weights can
  only follow what has come: a batch is at most so large a part of all that is missing.
- The next batch comes when the weights that follow from the last one are in force, as in a year,
  in which a loan comes every few minutes and weights follow within seconds.
- Loans are closed so many days after they were assigned.
- Whoever follows the plan is killed in the year, and a dispatcher too; both are started again.
"""

import json
import os
import random
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.own_command import PARTIDOR
from streams.planning.document import PlanDocument
from tests.reference import events
from tests.support.dispatchers import CODE, DispatcherProcess
from tests.support.installation import Installation
from tests.support.records import Json
from tests.support.waiting import wait_until

from .loans import Loan
from .tail import Tail

HUB = "loans"
DAYS_OF_A_WEEK = 5
QUARTER_WEEKS = 13
PATIENCE_S = 120.0
DISPATCHER_S = 60.0
QUICK = {"transaction_max_ms": 10}
EVERY_S = "0.05"


@dataclass(frozen=True)
class Course:
    """How a year goes.

    Attributes:
        weeks: in it.
        part: of all that is missing, that a batch brings at most, about.
        close_days: from assignment to booking.
        seed: of the order of loans.
        kill_follower_on, kill_dispatcher_on: days, from 0; none if negative.
        within: dollars; as `--within` of `plan publish` and `plan follow`.
        booked_only: as `--booked-only`.
    """

    weeks: int = 52
    part: float = 0.02
    close_days: int = 20
    seed: int = 1
    kill_follower_on: int = -1
    kill_dispatcher_on: int = -1
    within: int = 0
    booked_only: bool = False


class Year:
    """Runs it; what is seen stands in `tail`."""

    def __init__(
        self,
        installation: Installation,
        plan_file: Path,
        loans: Sequence[Loan],
        course: Course,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.installation = installation
        self.plan = PlanDocument.model_validate_json(plan_file.read_bytes())
        self.course = course
        self.loans = list(loans)
        self.batches = 0
        self.seconds = 0.0
        self.spread: list[tuple[int, float, float]] = []
        self._plan_file = plan_file
        self._options = ["--within", str(course.within)]
        self._options += ["--booked-only"] if course.booked_only else []
        self._booked: Counter[str] = Counter()
        self._say = say
        self._amount = {loan.loan_id: loan.amount for loan in loans}
        self._targets = {b.branch_id: int(b.assigned_value) for b in self.plan.branches}
        self._closed = 0
        self._seen = 0
        self._waiting_for_booking: deque[tuple[int, str, str, str]] = deque()
        self.tail = Tail(installation, HUB)

    def publish(self) -> Json:
        """`partidor plan publish`; what it says."""
        return json.loads(
            self._partidor("plan", "publish", str(self._plan_file), "--json", *self._options)
        )

    def run(self) -> None:
        """From the first loan to the last booking."""
        begun = time.monotonic()
        dispatcher = self.installation.dispatchers[0]
        follower = self._follower()
        random.Random(self.course.seed).shuffle(self.loans)
        for day, loans in enumerate(self._days()):
            if day == self.course.kill_follower_on:
                follower.kill()
                follower = self._follower()
            if day == self.course.kill_dispatcher_on:
                dispatcher.kill()
                dispatcher = self.installation.start(dispatcher.slot, **QUICK)
            self._day(day, loans, follower)
            self._close(day)
            if (day + 1) % DAYS_OF_A_WEEK == 0:
                self._week((day + 1) // DAYS_OF_A_WEEK, time.monotonic() - begun)
        self._close(None)
        self.installation.wait_until_processed()
        self._until(lambda: self.tail.closed >= self._closed, "all loans are booked")
        assert follower.stop() == 0, follower.log_tail()
        self.seconds = time.monotonic() - begun

    def _days(self) -> Iterator[list[Loan]]:
        days = self.course.weeks * DAYS_OF_A_WEEK
        count = len(self.loans)
        for day in range(days):
            yield self.loans[count * day // days : count * (day + 1) // days]

    def _day(self, day: int, loans: Sequence[Loan], follower: DispatcherProcess) -> None:
        place = 0
        while place < len(loans):
            batch, value = [loans[place]], loans[place].amount
            most = self.course.part * sum(self._missing().values())
            while (place := place + 1) < len(loans) and value + loans[place].amount <= most:
                batch.append(loans[place])
                value += loans[place].amount
            self._send(f"day-{day}-{place}", batch, follower)
        for branch_id, banker_id, loan_id in self.tail.taken[self._seen :]:
            self._waiting_for_booking.append((day, branch_id, banker_id, loan_id))
        self._seen = len(self.tail.taken)

    def _send(self, batch_id: str, loans: Sequence[Loan], follower: DispatcherProcess) -> None:
        leads = [loan.lead() for loan in loans]
        self.installation.publish([events.lead_batch(batch_id, leads, HUB)])
        self.batches += 1
        self._until(
            lambda: batch_id in self.tail.decided and self._weights_follow(),
            lambda: f"{batch_id}: {self._unfollowed()[:3]}; {follower.log_tail()}",
        )

    def _missing(self) -> dict[str, int]:
        got = self._booked if self.course.booked_only else self.tail.dollars()
        missing = {name: at - got.get(name, 0) for name, at in self._targets.items()}
        least = max(1, self.course.within)
        return {name: value if value >= least else 0 for name, value in missing.items()}

    def _weights_follow(self) -> bool:
        return not self._unfollowed()

    def _unfollowed(self) -> list[object]:
        """Branches whose weight isn't what is missing, in dollars; who misses nothing is paused."""
        return [
            (branch_id, missing, self.tail.weights.get(branch_id))
            for branch_id, missing in self._missing().items()
            if self.tail.weights.get(branch_id) != (missing, not missing)
        ]

    def _close(self, day: int | None) -> None:
        """Book what was assigned long enough ago; on no day: everything."""
        if day is None:
            self._until(
                lambda: len(self.tail.taken) == len(self.tail.routed), "bankers have all loans"
            )
            for branch_id, banker_id, loan_id in self.tail.taken[self._seen :]:
                self._waiting_for_booking.append((0, branch_id, banker_id, loan_id))
        outcomes = []
        while self._waiting_for_booking and (
            day is None or self._waiting_for_booking[0][0] <= day - self.course.close_days
        ):
            _, branch_id, banker_id, loan_id = self._waiting_for_booking.popleft()
            outcomes.append(_closed(branch_id, banker_id, loan_id))
            self._booked[branch_id] += self._amount[loan_id]
        self._closed += len(outcomes)
        self.installation.publish(outcomes)

    def _week(self, week: int, seconds: float) -> None:
        missing = self._missing()
        if not week % QUARTER_WEEKS:
            self._quarter(week)
        at_target = sum(not each for each in missing.values())
        got = sum(self.tail.dollars().values())
        self._say(
            f"week {week:2}: {got / 1e6:10,.1f} of {sum(self._targets.values()) / 1e6:,.1f} million"
            f" assigned, {self._closed:6,} loans booked, {at_target:3} of {len(missing)} branches"
            f" at their target, {self.batches:,} batches, {self.tail.renewals:,} changes of the"
            f" roster, {seconds:.0f} s"
        )

    def _quarter(self, week: int) -> None:
        """How far the slowest and the quickest branch are."""
        got = self.tail.dollars()
        parts = [got.get(name, 0) / target for name, target in self._targets.items() if target]
        self.spread.append((week, min(parts), max(parts)))

    def _until(self, done: Callable[[], bool], what: Callable[[], str] | str) -> None:
        def read_and_look() -> bool:
            self.tail.read(0.02)
            return done()

        deadline = time.monotonic() + PATIENCE_S
        while not read_and_look():
            if time.monotonic() > deadline:
                raise AssertionError(what if isinstance(what, str) else what())

    def _follower(self) -> DispatcherProcess:
        directory = self.installation.directory
        state = directory / "follow.json"
        number = len(list(directory.glob("follow-*.log")))
        command = (
            "plan", "follow", str(self._plan_file), "--state", str(state), "--every", EVERY_S,
            *self._options,
        )  # fmt: skip
        log = directory / f"follow-{number}.log"
        follower = DispatcherProcess("follow", self.installation.environment(), log, command)
        wait_until(
            lambda: follower.says("following") or not follower.is_running,
            follower.log_tail,
            DISPATCHER_S,
        )
        assert follower.is_running, follower.log_tail()
        return follower

    def _partidor(self, *arguments: str) -> bytes:
        environment = {**os.environ, "PYTHONPATH": CODE, **self.installation.environment()}
        done = subprocess.run(
            [*PARTIDOR, *arguments],
            capture_output=True, env=environment, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def _closed(branch_id: str, banker_id: str, loan_id: str) -> Json:
    event = events.change(
        "lead_closed", "", f"{HUB}/{branch_id}",
        outcome_id=f"closed-{loan_id}", lead_id=loan_id, assignee_id=banker_id, reason="settled",
    )  # fmt: skip
    del event["change_id"]
    return event
