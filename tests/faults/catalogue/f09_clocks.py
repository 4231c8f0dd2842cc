"""F9: clocks jump: those of the dispatchers' hosts, and those of the producers of input.

Nothing is decided by a clock: not the order of events, not who is there (R5). What clocks do decide
is whether Kafka takes a record: not if it is stamped more than an hour ahead.
"""

import tempfile
import time
from pathlib import Path

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.reference import events
from tests.support.clock import DAY_S, HOUR_S, MINUTE_S, Clock, find_compiler
from tests.support.machine import LeftOut
from tests.support.publisher import encoded
from tests.support.records import Json
from tests.support.waiting import wait_until

JUMPED_S = 3.0
STUCK = {"stall_max_ms": 8_000}
"""A wait of the client that began ahead of the time lasts until then: the process ends itself."""
RIGHT_S = 90.0
STUCK_SAID = "Timeout (0:00:08"


@variant("F9", "dispatchers' clocks fall back a day", dispatchers=0, settings=STUCK)
def a_day_back(run: Run) -> None:
    """And later go right again."""
    clock = jumping(run)
    clock.jump(-DAY_S)
    run.wait_for_progress(200)
    right_again(run, clock)


@variant(
    "F9", "dispatchers' clocks go ten minutes ahead", dispatchers=0, settings=STUCK, quick=False
)
def ten_minutes_ahead(run: Run) -> None:
    """And later go right again."""
    clock = jumping(run)
    clock.jump(10 * MINUTE_S)
    run.wait_for_progress(200)
    right_again(run, clock)


@variant("F9", "dispatchers' clocks go two hours ahead", dispatchers=0, settings=STUCK)
def two_hours_ahead(run: Run) -> None:
    """Kafka refuses what they write; transactions are aborted until the clocks are right."""
    clock = jumping(run)
    clock.jump(2 * HOUR_S)
    before = run.watcher.leads
    run.pause(JUMPED_S, 2 * JUMPED_S)
    # What was under way may have come through; nothing behind it.
    behind = run.watcher.leads
    run.pause(1, 2)
    if run.watcher.leads > behind:
        run.note(f"{behind - before} leads, then more, were written two hours ahead")
    right_again(run, clock)


@variant("F9", "dispatchers' clocks jump about", dispatchers=0, settings=STUCK, quick=False)
def jumping_about(run: Run) -> None:
    """Back and ahead, within what Kafka takes; then a process is killed and another started."""
    clock = jumping(run)
    for _ in range(6):
        clock.jump(run.rng.uniform(-3 * DAY_S, 50 * MINUTE_S))
        run.pause(0.5, 1.0)
    run.dispatchers[-1].kill()
    with clock.in_use():
        run.restart(run.dispatchers[-1])
    run.wait_for_progress()
    right_again(run, clock)


@variant("F9", "producers' clocks are wrong", quick=False)
def wrong_producers(run: Run) -> None:
    """Up to an hour ahead and days back: events are taken in the order of their offsets.

    Each change is stamped in the future, and the batch behind it in the past.
    """
    publisher = run.installation.publisher
    for number in range(40):
        channel = f"stamped-{number % 5}"
        people = {f"T{number}": "1", f"U{number}": "2"}
        _send(run, events.roster(f"stamped-{number}", people, channel), 59 * MINUTE_S)
        publisher.flush()
        early_s = run.rng.choice((0, -MINUTE_S, -HOUR_S, -3 * DAY_S))
        _send(run, events.lead_batch(f"stamped-{number}", 5, channel), early_s)
        run.pause(0, 0.1)
    publisher.flush()
    run.wait_for_progress()
    run.installation.wait_until_processed()
    _check_rosters(run)


def _check_rosters(run: Run) -> None:
    """Each batch went to the people of the change acknowledged before it, or of a later one."""
    for event in run.installation.assignments():
        if event["channel"].startswith("stamped-"):
            number = int(event["batch_id"].removeprefix("stamped-"))
            if int(event["assignee_id"][1:]) < number:
                run.note(f"{event['batch_id']} went to {event['assignee_id']}")


def _send(run: Run, event: Json, ahead_s: float) -> None:
    publisher = run.installation.publisher
    timestamp_ms = int((time.time() + ahead_s) * 1000)
    key = event["channel"].encode()
    publisher.send(publisher.topic_of(event), encoded(event), key, timestamp_ms=timestamp_ms)


def right_again(run: Run, clock: Clock) -> None:
    """Set the clock right, and start again who was stuck: as a supervisor does."""
    clock.jump(0)
    wanted = run.watcher.leads + 100

    def goes_on() -> bool:
        for dispatcher in list(run.dispatchers):
            stuck = dispatcher.status == 1 and dispatcher.says(STUCK_SAID)
            if stuck and run.excuse(dispatcher):
                run.restart(dispatcher)
        return run.watcher.leads >= wanted and run.is_shared()

    wait_until(goes_on, lambda: f"{wanted} leads, {run.watcher.leads} so far", RIGHT_S)


def jumping(run: Run) -> Clock:
    """Two dispatchers under load, with a clock that is right so far."""
    if find_compiler() is None:
        raise LeftOut("no C compiler", "install gcc or clang, on Linux")
    run.forgiven = STUCK_SAID
    directory = run.enter(tempfile.TemporaryDirectory(prefix="partidor-clock-"))
    clock = Clock(Path(directory))
    with clock.in_use():
        run.start_dispatchers(2)
    run.load()
    run.wait_for_progress()
    return clock
