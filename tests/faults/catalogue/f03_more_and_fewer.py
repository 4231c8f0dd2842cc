"""F3: dispatchers come and go in good order."""

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run


@variant("F3", "one, three, one", dispatchers=1)
def one_three_one(run: Run) -> None:
    """Under load, as an autoscaler does it."""
    guests = [run.start("1"), run.start("2")]
    run.wait_until_shared()
    run.wait_for_progress(200)
    for guest in run.rng.sample(guests, 2):
        assert guest.stop() == 0
        run.pause(0.0, 0.5)
    run.wait_for_progress(200)


@variant("F3", "the first of three leaves, then the second", dispatchers=3, quick=False)
def first_leaves(run: Run) -> None:
    """Also those who were there from the beginning."""
    for dispatcher in run.dispatchers[:2]:
        assert dispatcher.stop() == 0
        run.wait_for_progress(100)
    run.wait_until_shared()


@variant("F3", "rolling restart", dispatchers=3, quick=False)
def rolling_restart(run: Run) -> None:
    """One after the other, each in its slot, as a deployment does it."""
    for dispatcher in run.dispatchers[:3]:
        assert dispatcher.stop() == 0
        run.restart(dispatcher)
        run.pause(0.2, 1.0)
    run.wait_until_shared()
    run.wait_for_progress(100)


@variant("F3", "rolling restart of static members", dispatchers=0, quick=False)
def static_members(run: Run) -> None:
    """Kafka keeps the place of each for as long as its session lasts."""
    slots = ("0", "1")
    for slot in slots:
        run.start(slot, kafka__group_instance_id=slot)
    run.wait_until_shared()
    run.load()
    run.wait_for_progress()
    for dispatcher in run.dispatchers[: len(slots)]:
        dispatcher.kill() if run.rng.random() < 0.5 else dispatcher.stop()
        run.start(dispatcher.slot, kafka__group_instance_id=dispatcher.slot)
        run.wait_for_progress(50)
    run.wait_until_shared()
