"""What is decided and in no transaction yet: inputs that are taken, and put back undecided."""

from collections import deque

from streams.broker import InputRecord
from streams.overlay import Overlay, WaitingInput
from streams.task import Task


def waiting(*places: tuple[str, int]) -> deque[WaitingInput]:
    """Batches and outcomes by topic and offset, whose rosters are all there."""
    records = [InputRecord(topic, 0, offset, 0, b"web", b"{}", []) for topic, offset in places]
    return deque(WaitingInput(record, 0) for record in records)


PLACES = (("batches", 7), ("outcomes", 3), ("batches", 9), ("batches", 10), ("outcomes", 4))


def test_what_is_put_back_waits_again_in_its_order_and_is_not_applied() -> None:
    """As if it had not been taken, for the other topics too; gaps in between hold nothing."""
    overlay, inputs = Overlay({}, 0), waiting(*PLACES)
    taken = overlay.take_waiting(inputs, 0, 4, 10**6)
    assert [(record.topic, record.offset) for record in taken] == list(PLACES[:4])
    assert overlay.applied == {"batches": 11, "outcomes": 4}
    overlay.put_back(2, inputs)
    assert [(each.record.topic, each.record.offset) for each in inputs] == list(PLACES[2:])
    assert overlay.applied == {"batches": 9, "outcomes": 4}
    assert [each.record for each in overlay.waiting] == taken[:2]
    again = overlay.take_waiting(inputs, 0, 9, 10**6)
    assert [(record.topic, record.offset) for record in again] == list(PLACES[2:])
    assert overlay.applied == {"batches": 11, "outcomes": 5}


def test_what_waits_for_the_lead_register_is_not_taken_and_what_was_put_back_is_no_exception() -> (
    None
):
    """A change may have made the channel sticky in between."""
    task = Task(0)
    task.waiting = waiting(*PLACES)
    assert len(task.take_waiting(9, 10**6)) == 5
    task.put_back(4)
    task.sticky[b"web"] = ("phone",)
    assert not task.waiting_ready()
    assert task.take_waiting(9, 10**6) == []
    assert len(task.waiting) == 4


def test_the_bytes_of_what_is_taken_are_known_and_those_of_what_is_put_back_no_more() -> None:
    """Of changes as well; a tombstone has none."""
    overlay, inputs = Overlay({}, 0), waiting(*PLACES)
    overlay.take_waiting(inputs, 0, 4, 10**6)
    assert overlay.input_bytes == 4 * len(b"{}")
    overlay.put_back(1, inputs)
    assert overlay.input_bytes == 3 * len(b"{}")
    changes = deque(
        InputRecord("changes", 0, offset, 0, b"web", value, [])
        for offset, value in enumerate((b"12345", None))
    )
    overlay.take_change(changes)
    overlay.take_change(changes)
    assert overlay.input_bytes == 3 * len(b"{}") + len(b"12345")
