"""F1: `kill -9` at each named step of the work, once with a new process in the slot, once without.

The steps are those of ``tests.support.failpoints``. In both rounds a process with a failpoint kills
itself; after the first one a new process takes its slot at once, after the second its partitions
go to the other process when its session has expired.
"""

from functools import partial

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.dispatchers import DispatcherProcess
from tests.support.failpoints import STEPS

TIMES_MOST = 12
QUICK = ("between-produces", "inside-apply", "restore-in-changelog")
"""With every change; the others with all of it."""
NOWHERE = "redis://127.0.0.1:1/0"


def killed(run: Run, step: str) -> None:
    """One of two, at a step of its work."""
    times = run.rng.randint(1, TIMES_MOST)
    victim = run.restart(_stopped(run), failpoint=f"{step}:{times}")
    run.wait_until_ended(victim)
    again = run.restart(victim, failpoint=f"{step}:{run.rng.randint(1, TIMES_MOST)}")
    run.wait_until_ended(again)
    run.wait_for_progress(50)


def killed_while_restoring(run: Run, step: str) -> None:
    """A process that has just been given partitions, while it restores them; two in a row."""
    victim = _stopped(run)
    # There is a changelog to read only where there is no Redis to believe.
    without_redis = {"redis_url": NOWHERE} if step == "restore-in-changelog" else {}
    for _ in range(2):
        point = f"{step}:{run.rng.randint(1, 2)}"
        victim = run.restart(victim, failpoint=point, **without_redis)
        run.wait_until_ended(victim)
    run.restart(victim)
    run.wait_for_progress(50)


def _stopped(run: Run) -> DispatcherProcess:
    """One of the dispatchers, which is stopped or killed to make place for the victim."""
    dispatcher = run.rng.choice(run.dispatchers)
    dispatcher.kill() if run.rng.random() < 0.5 else dispatcher.stop()
    return dispatcher


for _step in STEPS:
    _inflict = killed_while_restoring if _step.startswith("restore") else killed
    _name = f"killed {_step.replace('-', ' ')}"
    variant("F1", _name, quick=_step in QUICK)(partial(_inflict, step=_step))
