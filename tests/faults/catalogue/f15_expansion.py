"""F15: the topics get more partitions while sources go on; the expansion is killed on the way."""

import time

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.expansions import KILLED, STEPS, expand

BEFORE, AFTER = 4, 8
RECORDS = 40
"""Of a transaction, so that there are several."""


def expanded(run: Run, *steps: str) -> None:
    """Dispatchers stop, the topics are expanded, dispatchers start; the load doesn't hear of it.

    It is killed after each of the steps, in that order; then run to its end.
    """
    for dispatcher in run.dispatchers:
        if dispatcher.is_running and not dispatcher.is_held:
            assert dispatcher.stop() == 0
    at_ms = time.time_ns() // 1_000_000
    for step in steps:
        done = expand(run.installation, AFTER, step=step, records=RECORDS)
        if done.returncode != KILLED:
            run.note(f"expansion not killed at {step}: {done.returncode} {done.stderr}")
        refused_meanwhile(run)
    done = expand(run.installation, AFTER, records=RECORDS)
    if done.returncode:
        run.note(f"expansion: {done.returncode} {done.stderr}")
    run.installation.expanded_to(AFTER, at_ms)
    run.watcher.use_partitions(AFTER)


def refused_meanwhile(run: Run) -> None:
    """Dispatchers don't run on half of it."""
    if run.rng.random() < 0.5:
        return
    early = run.start("early")
    run.excuse(early)
    if early.wait() != 1 or not early.says("topics expand"):
        run.note(f"it ran on half of an expansion: {early.log_tail()}")


def go_on(run: Run) -> None:
    """Dispatchers run again; sources hear of the partitions a while later."""
    run.start("0")
    run.start("1")
    run.wait_until_shared()
    run.wait_for_progress(100)
    run.pause(0.2, 1.0)
    inputs = [
        each for topic in run.installation.topics.inputs for each in run.installation.read(topic)
    ]
    if not any(each.partition >= BEFORE for each in inputs):
        run.note("nothing was sent on to new partitions, and nobody else knows them")
    run.sending.hear_of(AFTER)
    run.wait_for_progress(200)


@variant("F15", "expanded under load", quick=False)
def under_load(run: Run) -> None:
    """Sources go on to send where keys belonged before."""
    expanded(run)
    go_on(run)


@variant("F15", "Redis is wiped meanwhile", quick=False)
def redis_wiped(run: Run) -> None:
    """Everything is restored from the changelog."""
    expanded(run)
    run.installation.flush_redis()
    go_on(run)


@variant("F15", "a dispatcher is killed behind it", quick=False)
def killed_behind(run: Run) -> None:
    """While it sends on what stands where it belonged before."""
    expanded(run)
    run.start("0", failpoint=f"after-send-offsets:{run.rng.randint(2, 20)}")
    run.start("1")
    run.wait_until_ended(run.dispatchers[-2])
    run.start("0")
    run.wait_until_shared()
    run.sending.hear_of(AFTER)
    run.wait_for_progress(200)


@variant("F15", "a dispatcher stands still all the while", quick=False)
def still(run: Run) -> None:
    """Under load, in the middle of something; it wakes up when others have gone on."""
    sleeper = run.dispatchers[0]
    sleeper.hold()
    expanded(run)
    run.start("2")
    run.start("3")
    run.wait_until_shared()
    run.wait_for_progress(100)
    sleeper.go_on()
    run.sending.hear_of(AFTER)
    run.wait_for_progress(200)
    run.wait_until_shared()


@variant("F15", "killed at three steps")
def killed_at_some(run: Run) -> None:
    """And each time run again."""
    steps = list(STEPS)
    expanded(run, *sorted(run.rng.sample(steps, 3), key=steps.index))
    go_on(run)


@variant("F15", "killed in the middle of copying and of removing", quick=False)
def killed_in_the_middle(run: Run) -> None:
    """After a transaction or some."""
    copying, removing = run.rng.randint(2, 6), run.rng.randint(2, 12)
    expanded(run, f"copied-part:{copying}", f"removed-part:{removing}", "opened-part:3")
    go_on(run)
