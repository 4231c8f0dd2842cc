"""What a task knows of the lead register beside what it looked up."""

from dispatcher.register import Owner
from streams.known_owners import KnownOwners

PLACE = ("leads.batches", 7)


def owner(assignee_id: str) -> Owner:
    """Who had a lead."""
    return Owner(assignee_id, 0, 3, "b", "L")


def test_what_is_written_to_redis_after_a_look_up_is_still_known() -> None:
    """Committed before an input was looked up, in Redis after it: the answer didn't have it."""
    known = KnownOwners()
    known.committed({"key": (b"record key", owner("new"))}, [])
    known.found[PLACE] = {"key": owner("old")}
    assert known.get(PLACE, "key") == owner("new")
    known.flushed()
    assert not known.unflushed
    assert known.get(PLACE, "key") == owner("new")
    known.committed({}, [PLACE])
    assert not known.recent
