"""The leads that wait in a channel."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.events import InputRef
from dispatcher.parking import ParkedBatch, Parking, parking_of
from dispatcher.requirements import NOTHING, Requirement

REQUIREMENTS = (NOTHING, Requirement(("x=1",)), Requirement(("x=2",)), Requirement((), ("A",)))


def entry(batch_id: str, leads: int, requirement: Requirement = NOTHING) -> ParkedBatch:
    """So many leads of a batch."""
    ids = tuple(f"L{place}" for place in range(leads))
    reference = InputRef("leads.batches", 0, 0)
    return ParkedBatch(
        batch_id, "", f"hash of {batch_id}", ids, (b"{}",) * leads, reference, "", requirement
    )


def test_the_oldest_of_those_that_can_go_goes_first() -> None:
    """Whatever waits longer for something else keeps its place."""
    parking = Parking()
    for number, requirement in enumerate((*REQUIREMENTS, *REQUIREMENTS)):
        parking = parking.added(entry(f"b{number}", 1, requirement))
    found = parking.oldest(REQUIREMENTS[2:])
    assert found is not None
    assert found[0] == 2
    assert parking.oldest(()) is None
    assert parking.without(2).oldest([REQUIREMENTS[2]]) == (6, entry("b6", 1, REQUIREMENTS[2]))


def test_a_rest_keeps_its_place() -> None:
    """When only some of an entry's leads go."""
    parking = Parking().added(entry("b0", 5)).added(entry("b1", 1)).without(0, entry("b0", 2))
    assert parking.oldest([NOTHING]) == (0, entry("b0", 2))
    assert parking.leads == 3


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "out", "part"]), st.integers(0, 3), st.integers(0, 4)),
    max_size=40,
)


@given(STEPS)
def test_what_is_counted_is_what_is_there(steps: list[tuple[str, int, int]]) -> None:
    """Against a plain list, and built anew from its entries."""
    parking, kept = Parking(), dict[int, ParkedBatch]()
    for number, (step, kind, leads) in enumerate(steps):
        requirement = REQUIREMENTS[kind]
        if step == "add":
            kept[parking.next_number] = entry(f"b{number % 5}", leads, requirement)
            parking = parking.added(kept[parking.next_number])
            continue
        mine = [each for each, batch in kept.items() if batch.requirement == requirement]
        found = parking.oldest([requirement])
        assert (found[0] if found else None) == (min(mine) if mine else None)
        if found and step == "out":
            parking = parking.without(found[0])
            del kept[found[0]]
        elif found:
            rest = entry(found[1].batch_id, len(found[1].lead_ids) // 2, requirement)
            parking = parking.without(found[0], rest)
            kept[found[0]] = rest
    assert dict(parking.in_order()) == kept
    assert parking.leads == sum(len(batch.lead_ids) for batch in kept.values())
    assert parking.size_bytes == sum(batch.size_bytes for batch in kept.values())
    for name in ("b0", "b1", "b2", "b3", "b4"):
        waits = any(batch.batch_id == name for batch in kept.values())
        assert parking.content_hash(name) == (f"hash of {name}" if waits else None)
    again = parking_of(kept.items(), parking.next_number)
    assert again == parking
    assert again.hashes == parking.hashes
    assert again.oldest(REQUIREMENTS) == parking.oldest(REQUIREMENTS)
