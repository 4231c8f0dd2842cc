"""F14: dispatchers of two versions run side by side: an upgrade, a rollback, under load."""

from pathlib import Path

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.versions import ADDED, unpacked

NEXT = {"test_next": "1"}
SLOTS = ("0", "1")


def replaced(run: Run, code: Path | None, *, killed: bool = False, **settings: object) -> None:
    """One after the other goes, and another version takes its slot."""
    for slot in SLOTS:
        former = [each for each in run.dispatchers if each.slot == slot and each.is_running]
        for dispatcher in former:
            if killed:
                dispatcher.kill()
            else:
                assert dispatcher.stop() == 0
        run.pause(0.0, 0.3)
        run.start(slot, code=code, **settings)
        run.wait_until_shared()
        run.wait_for_progress(100)


def released(run: Run) -> Path:
    """The packages of the released version."""
    return unpacked(run.directory)


def begin_with(run: Run, code: Path | None, **settings: object) -> None:
    """Two dispatchers of a version, and the load."""
    for slot in SLOTS:
        run.start(slot, code=code, **settings)
    run.wait_until_shared()
    run.load()
    run.wait_for_progress()


@variant("F14", "0.1.0 to this version and back", dispatchers=0)
def there_and_back(run: Run) -> None:
    """A rolling upgrade, then a rolling rollback."""
    begin_with(run, released(run))
    replaced(run, None)
    replaced(run, released(run))


@variant("F14", "0.1.0 to this version", dispatchers=0, quick=False)
def there(run: Run) -> None:
    """The processes of the old version are killed."""
    begin_with(run, released(run))
    replaced(run, None, killed=True)


@variant("F14", "the next version and back to this one", dispatchers=0)
def back_from_the_next(run: Run) -> None:
    """The next one writes more into everything; this one reads it."""
    begin_with(run, None)
    replaced(run, None, **NEXT)
    replaced(run, None)
    check_that_more_was_written(run)


@variant("F14", "the next version and back to 0.1.0", dispatchers=0, quick=False)
def far_back(run: Run) -> None:
    """Two versions back, Redis wiped in between."""
    begin_with(run, None, **NEXT)
    run.installation.flush_redis()
    replaced(run, released(run))
    check_that_more_was_written(run)


def check_that_more_was_written(run: Run) -> None:
    """Else nothing was shown: by events and by states, and not any more."""
    topics = run.installation.topics
    for topic in (topics.decisions, topics.assignments, topics.changelog):
        more = [ADDED in (record.value or b"") for record in run.installation.read(topic)]
        if not any(more) or all(more):
            run.note(f"{sum(more)} of {len(more)} records of {topic} hold more")
