"""Leads that nobody can take wait, and go out oldest first, before anything newer (R13)."""

from tests.reference import events
from tests.support import copies, oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.publisher import encoded

BATCHES = 120
SIZE = 10


def test_a_release_goes_on_after_a_kill_before_anything_newer(installation: Installation) -> None:
    """Over many transactions, through `kill -9`, from Redis and from the changelog alone."""
    # One batch fills a transaction: the release takes as many as there are batches.
    small = {"transaction_records_max": SIZE, **AT_ONCE}
    dispatcher = installation.started(**small)
    installation.process(
        events.lead_batch(f"batch-{number}", SIZE, "late") for number in range(BATCHES)
    )
    installation.publish([events.roster("somebody", {"A": "1", "B": "2"}, "late")])
    for kill in (1, 2):
        installation.wait_until_assignments_end(kill * SIZE * BATCHES // 4)
        dispatcher.kill()
        assert copies.releases_under_way(installation) == {"late"}
        if kill == 1:
            installation.publish([events.lead_batch("newer", SIZE, "late")])
        else:
            installation.publish([events.change("assignee_joined", "more", "late", **MORE)])
            installation.flush_redis()
        dispatcher = installation.started(**small)
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == SIZE * (BATCHES + 1)
    order = [
        decision["batch_id"] for decision in installation.decisions("late", "batch_dispatched")
    ]
    assert order == [*(f"batch-{number}" for number in range(BATCHES)), "newer"]
    newest = installation.assignments("late")[-SIZE:]
    assert {event["batch_id"] for event in newest} == {"newer"}
    # The one who joined while the release was under way had to wait for its end as well.
    assert "C" in {event["assignee_id"] for event in newest}


MORE = {"assignee_id": "C", "weight": "100"}


def test_parked_batches_survive_every_way_of_restarting(installation: Installation) -> None:
    """Nobody is there, everybody is paused, or has weight 0: the leads wait, attributes and all."""
    topics = installation.topics
    leads = [{"lead_id": f"L{n}", "attributes": {"phone": f"+61 {n}"}} for n in range(5)]
    first = installation.started(**AT_ONCE)
    installation.process(
        [
            events.lead_batch("early", leads, "nobody"),
            events.lead_batch("empty", 0, "nobody"),
            events.roster("r", {"A": "1"}, "paused"),
            events.change("assignee_paused", "p", "paused", assignee_id="A"),
            events.roster("r", {"A": "0"}, "nothing"),
        ]
    )
    installation.process([events.lead_batch("b", leads, name) for name in ("paused", "nothing")])
    assert not installation.assignments()
    oracle.check(installation)
    first.kill()
    installation.flush_redis()
    second = installation.started(**AT_ONCE)
    installation.process(
        [
            events.change("assignee_joined", "j", "nobody", assignee_id="A", weight="1"),
            events.change("assignee_resumed", "w", "paused", assignee_id="A"),
            events.change("weight_changed", "w", "nothing", assignee_id="A", weight="0.000001"),
        ]
    )
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 15
    given = {event["attributes"]["phone"] for event in installation.assignments("paused")}
    assert given == {f"+61 {n}" for n in range(5)}
    released = installation.decisions("nobody", "batch_released")
    assert [decision["batch_id"] for decision in released] == ["early", "empty"]
    assert released[0]["parked_input"]["topic"] == topics.lead_batches
    assert second.stop() == 0


def test_what_is_parked_is_bounded(installation: Installation) -> None:
    """In leads per channel and in bytes per partition: beyond, a batch is a dead letter."""
    installation.started(
        limits__parked_leads_per_channel_max=10,
        limits__parked_bytes_per_partition_max=100_000,
    )
    large = [{"lead_id": f"L{n}", "attributes": {"notes": "n" * 15_000}} for n in range(7)]
    refused = {}
    for event, is_kept in (
        (events.lead_batch("first", 6, "many"), True),
        (events.lead_batch("too many", 5, "many"), False),
        (events.lead_batch("just right", 4, "many"), True),
        (events.lead_batch("too large", large, "large"), False),
        (events.lead_batch("small", large[:1], "large"), True),
    ):
        installation.publisher.send(
            installation.topics.lead_batches, encoded(event), event["channel"].encode()
        )
        at = installation.publisher.flush()
        installation.wait_until_processed()
        if not is_kept:
            refused[at] = "limit_exceeded"
    oracle.check(installation, refused)
    installation.process(
        [events.roster("r", {"A": "1"}, "many"), events.roster("r", {"A": "1"}, "large")]
    )
    assert len(oracle.check(installation, refused).assignments) == 11


def test_a_partition_takes_only_so_many_channels(installation: Installation) -> None:
    """Invented names can't fill the memory; a known channel goes on."""
    installation.started(limits__channels_per_partition_max=1)
    refused = {}
    known: dict[int, str] = {}
    for number in range(12):
        name = f"channel-{number}"
        event = events.lead_batch("b", 1, name)
        installation.publisher.send(installation.topics.lead_batches, encoded(event), name.encode())
        at = installation.publisher.flush()
        installation.wait_until_processed()
        if known.setdefault(at[1], name) != name:
            refused[at] = "limit_exceeded"
    assert len(known) == installation.partitions
    installation.process(events.roster("r", {"A": "1"}, name) for name in known.values())
    assert len(oracle.check(installation, refused).assignments) == installation.partitions


def test_a_release_does_not_hold_up_other_channels_for_ever(installation: Installation) -> None:
    """Another channel of the same partition gets its turn once the release is done."""
    installation.started(transaction_records_max=SIZE)
    installation.process([events.roster("r", {"A": "1"}, "busy")])
    installation.process(
        events.lead_batch(f"batch-{number}", SIZE, name)
        for number in range(30)
        for name in ("one", "two", "three")
    )
    changes = [events.roster("r", {"A": "1"}, name) for name in ("one", "two", "three")]
    installation.publish([*changes, events.lead_batch("now", SIZE, "busy")])
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 3 * 30 * SIZE + SIZE
