"""F2: a process stands still past its session and its transaction, and then goes on: a zombie."""

from functools import partial

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.dispatchers import DispatcherProcess
from tests.support.waiting import wait_until

QUICK = ("after-send-offsets",)
MID_TRANSACTION = ("after-decide", "between-produces", "after-send-offsets", "before-apply")


def replaced(run: Run, sleeper: DispatcherProcess) -> None:
    """Wait until somebody else goes on with everything; then the sleeper wakes up."""
    run.wait_until_shared()
    run.wait_for_progress(100)
    sleeper.go_on()
    run.wait_for_progress(100)


@variant("F2", "held still while working")
def held(run: Run) -> None:
    """Wherever it is just then."""
    sleeper = run.rng.choice(run.dispatchers)
    sleeper.hold()
    replaced(run, sleeper)


@variant("F2", "held still while idle", quick=False)
def idle(run: Run) -> None:
    """Nothing was waiting when it fell asleep; leads came while it slept."""
    run.sending.rest()
    run.installation.wait_until_processed()
    sleeper = run.rng.choice(run.dispatchers)
    sleeper.hold()
    run.sending.go_on()
    replaced(run, sleeper)


@variant("F2", "held still for less than its session", quick=False)
def shortly(run: Run) -> None:
    """Again and again; nobody takes its place."""
    for _ in range(4):
        sleeper = run.rng.choice(run.dispatchers)
        sleeper.hold()
        run.pause(0.2, 1.2)
        sleeper.go_on()
        run.pause(0.1, 0.4)
    run.wait_for_progress(100)


def held_at(run: Run, step: str) -> None:
    """In the middle of a transaction, which another process finds open."""
    old = run.rng.choice(run.dispatchers)
    old.stop()
    sleeper = run.restart(old, failpoint=f"{step}:{run.rng.randint(2, 10)}:stop")
    wait_until(lambda: sleeper.is_held, lambda: f"it stands still: {sleeper.log_tail()}")
    replaced(run, sleeper)


for _step in MID_TRANSACTION:
    _name = f"held still {_step.replace('-', ' ')}"
    variant("F2", _name, quick=_step in QUICK)(partial(held_at, step=_step))
