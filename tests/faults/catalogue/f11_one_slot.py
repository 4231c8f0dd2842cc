"""F11: two processes are started with the same slot: one of them stops, and says why."""

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.dispatchers import DispatcherProcess
from tests.support.waiting import wait_until


def one_stops(run: Run, twins: list[DispatcherProcess]) -> DispatcherProcess:
    """Wait for it; what it says names the slot and the setting."""
    for twin in twins:
        run.excuse(twin)
    wait_until(
        lambda: not all(twin.is_running for twin in twins),
        lambda: f"one of two stops: {twins[0].log_tail()}",
        timeout_s=90,
    )
    stopped = next(twin for twin in twins if not twin.is_running)
    said = stopped.log("stopped: an operator has to decide") + stopped.log("cannot start")
    if stopped.wait() != 1 or not said or "PARTIDOR_SLOT" not in said[-1]["why"]:
        run.note(f"it stopped without saying why: {stopped.log_tail()}")
    return stopped


@variant("F11", "a third process with the slot of the first", quick=False)
def a_third(run: Run) -> None:
    """The others go on; the third is started again as it should have been."""
    first = run.dispatchers[0]
    twin = run.start(first.slot)
    one_stops(run, [first, twin])
    run.start("2")
    run.wait_for_progress(200)


@variant("F11", "alone with its twin", dispatchers=1)
def alone(run: Run) -> None:
    """Whoever is left does all the work."""
    first = run.dispatchers[0]
    one_stops(run, [first, run.start(first.slot)])
    run.wait_for_progress(200)
