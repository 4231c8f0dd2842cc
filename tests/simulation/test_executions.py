"""The executions that break a naive protocol, step by step; none breaks this one.

Each ends with everything that a run of the simulation is checked for.
"""

import pytest

from streams.settings import Settings
from streams.transactions import Output, Transactions
from tests.reference import events

from .kafka import Fate
from .stage import Stage


def test_01_a_redis_that_went_back_is_not_read_while_it_works() -> None:
    """A fail-over loses writes; states are in memory, and the copy is written anew."""
    stage = Stage()
    stage.begin()
    stage.redis.snapshot()
    stage.send(events.lead_batch("second", 4))
    stage.settle()
    stage.redis.roll_back()
    stage.send(events.lead_batch("third", 4))
    stage.finish()
    assert stage.said("writing it whole")
    assert len(stage.assigned()) == 11 + 3  # and the closing batch


def test_02_a_write_to_redis_that_failed_and_an_abort_don_t_bring_back_an_old_state() -> None:
    """Version N is committed and not in Redis, N+1 aborts: the next decision builds on N."""
    stage = Stage()
    stage.begin()
    stage.redis.away = True
    stage.send(events.lead_batch("second", 4))
    stage.wait(stage._is_processed, "decided without Redis")
    stage.network.refusing = 1.0
    stage.send(events.lead_batch("third", 4))
    stage.wait(lambda: stage.said("transaction aborted") or stage.said("starting over"), "abort")
    stage.network.refusing = 0.0
    stage.redis.away = False
    stage.finish()


def test_02_a_commit_without_an_answer_that_succeeded_is_found_in_the_changelog() -> None:
    """Nobody answers the commit; what became of it is read, not guessed."""
    stage = Stage(retry_deadline_ms=1_000, call_timeout_ms=500, question_timeout_ms=500)
    process = stage.begin()
    stage.send(events.lead_batch("second", 4))

    def cut() -> None:
        stage.network.lossy["EndTxn"] = 1.0
        stage.network.silent = 0.0

    stage.at(process, "after EndTxn", cut)
    stage.send(events.lead_batch("third", 4))
    stage.wait(lambda: stage.said("starting over"), "the producer is replaced")
    stage.network.calm()
    stage.finish()
    assert stage.kinds().count("batch_dispatched") == 3 + 1


def test_02_what_an_aborted_transaction_put_into_the_window_is_no_duplicate() -> None:
    """The batch of the aborted transaction is dispatched by the next one."""
    stage = Stage()
    process = stage.begin()
    stage.send(events.lead_batch("second", 4))
    # Out of the group and in again while the transaction is under way: its offsets are refused.
    stage.at(
        process,
        "before TxnOffsetCommit",
        lambda: stage.kafka.group.leave(next(iter(stage.kafka.group.members))),
    )
    stage.finish()
    assert stage.said("transaction aborted")
    assert "duplicate_ignored" not in stage.kinds()


def test_03_a_commit_that_falls_between_the_questions_of_a_restore_is_not_missed() -> None:
    """The old owner has sent its offsets and stands still; the new one waits for the outcome."""
    stage = Stage()
    first = stage.begin("0")
    second = stage.start("1")
    stage.wait(lambda: len(stage.kafka.group.members) == 2, "two members")
    stage.settle()
    owner = first if first.processor and first.processor.tasks else second
    stage.network.linger_ms = 400.0  # the records go out after the offsets
    stage.send(events.lead_batch("second", 4))
    stage.at(owner, "after TxnOffsetCommit", owner.thread.hold)
    stage.wait(lambda: stage.said("restore waits"), "the next owner waits")
    stage.network.linger_ms = 8.0
    owner.thread.let_go()
    stage.finish()
    assert len(stage.assigned()) == 7 + 3


def test_04_what_a_poll_revoked_is_not_decided() -> None:
    """Events that were read before the partition went away are decided by their next owner."""
    stage = Stage(poll_records_max=1)
    stage.begin("0")
    for number in range(40):
        stage.send(events.lead_batch(f"b{number}", 2))
        if number == 20:
            stage.start("1")
        stage.until(lambda: False, 20.0)
    stage.finish()
    assert len(stage.assigned()) == 80 + 3 + 3


@pytest.mark.parametrize("seed", range(12))
def test_04_what_was_decided_before_a_poll_revoked_and_gave_back_is_decided_once(seed: int) -> None:
    """A task that is restored from its memory within one turn has nothing decided any more."""
    stage = Stage(seed, partitions=2, poll_records_max=3, transaction_records_max=6)
    stage.kafka.group.rejoined_within_ms = 20.0
    stage.begin("0")
    others = 0
    for number in range(120):
        stage.send(events.lead_batch(f"b{number}", 2))
        if number % 30 == 10:
            stage.start(f"other-{others}")
            others += 1
        elif number % 30 == 25:
            stage.living[-1].kill()
        stage.until(lambda: False, 10.0)
    stage.finish()
    assert len(stage.assigned()) == 240 + 3 + 3


def test_04_no_transaction_without_an_offset_or_a_generation() -> None:
    """A broker doesn't check an empty list, and takes generation -1: neither is ever sent."""
    transactions = Transactions(lambda: pytest.fail("not asked for"), Settings(), logger=None)
    outputs = [Output("dispatch.changelog", 3, [(b"web", b"{}")], reported=True)]
    with pytest.raises(AssertionError, match="R4"):
        transactions.run(outputs, {}, b"member@1", 1)
    with pytest.raises(AssertionError, match="R4"):
        transactions.run(outputs, {("leads.batches", 3): 1}, b"member@-1", -1)


def test_05_a_restore_ends_behind_trailing_markers_and_where_nothing_is_left_to_read() -> None:
    """Behind the last record stand markers; or the restore point is at the end already."""
    stage = Stage()
    stage.begin().kill()
    log = stage.kafka.logs[stage.topics.changelog, 0]
    for producer in (-1, -2):
        log.append(0, b"web", b"{}", (), producer)
        log.mark(producer, Fate.ABORTED)
    stage.start("0")
    stage.settle()
    stage.redis.flush()
    for process in stage.living:
        process.kill()
    stage.start("0")
    stage.send(events.lead_batch("second", 4))
    stage.finish()


def test_06_a_changelog_made_anew_is_not_taken_for_the_old_one() -> None:
    """The restore point names the topic's id: the same offset of another history is another."""
    stage = Stage()
    stage.begin().kill()
    stage.kafka.topic_ids[stage.topics.changelog] = "another id"
    restarted = stage.start("0")
    stage.wait(lambda: bool(restarted.processor and restarted.processor.tasks), "it is back")
    stage.send(events.lead_batch("second", 4))
    stage.finish()
    assert stage.said("source=changelog")


def test_06_a_copy_older_than_tombstones_live_is_not_built_upon() -> None:
    """Its parked batch was released since, and the tombstone is gone: it stays released."""
    stage = Stage()
    stage.retention_ms = 4_000
    stage.topic_config["delete.retention.ms"] = "4000"
    process = stage.start("0")
    stage.send(events.lead_batch("early", 3))
    stage.settle()
    stage.redis.snapshot()
    stage.send(events.roster("first", {"A": "1"}))
    stage.settle()
    process.kill()
    stage.until(lambda: False, 9_000.0)
    stage.faults._compact()
    stage.redis.roll_back()
    stage.start("0")
    stage.finish()
    assert stage.kinds().count("batch_released") == 1


def test_07_a_transaction_that_merely_timed_out_stops_nobody() -> None:
    """The error is the same as for a rival; the producer is replaced, and it goes on."""
    stage = Stage(transaction_timeout_ms=2_000)
    process = stage.begin()
    stage.send(events.lead_batch("second", 4))
    stage.at(process, "before EndTxn", process.thread.hold)
    stage.until(lambda: False, 6_000.0)
    process.thread.let_go()
    stage.finish()
    assert process.alive or process.ended == ""
    assert stage.said("starting over")


def test_07_two_processes_in_one_slot_don_t_fence_each_other_for_ever() -> None:
    """One of them stops, and names the slot."""
    stage = Stage(partitions=2)
    twins = [stage.begin("0"), stage.start("0")]
    number = 0

    def one_stopped() -> bool:
        nonlocal number
        number += 1
        if number % 5 == 0:
            stage.send(*(events.lead_batch(f"b{number}", 1, name) for name in ("web", "phone")))
        return any("slot contested" in twin.ended for twin in twins)

    stage.wait(one_stopped, "one stops")
    stage.finish()
    assert "PARTIDOR_SLOT" in next(twin.ended for twin in twins if twin.ended)


def test_08_a_late_end_of_a_transaction_doesn_t_end_the_next_one() -> None:
    """After a connection broke the producer is replaced: the stray has an epoch too old."""
    stage = Stage()
    stage.begin()
    stage.network.lossy["EndTxn"] = 1.0
    stage.network.late, stage.network.late_ms, stage.network.silent = 1.0, 40.0, 0.0
    for number in range(10):
        stage.send(events.lead_batch(f"b{number}", 4))
        stage.until(lambda: False, 30.0)
    stage.network.calm()
    stage.finish()
    assert stage.said("a connection broke on the way")


def test_09_a_giant_release_goes_on_over_many_transactions() -> None:
    """Parked batches go out bit by bit, before anything newer, over a crash on the way."""
    stage = Stage(transaction_records_max=10)
    process = stage.start("0")
    stage.send(*(events.lead_batch(f"parked-{number:02}", 5) for number in range(30)))
    stage.settle()
    stage.send(events.roster("first", {"A": "1", "B": "2"}), events.lead_batch("newer", 2))
    stage.wait(lambda: "batch_released" in stage.kinds(), "the release begins")
    process.kill()
    stage.start("0")
    stage.finish()
    order = list(dict.fromkeys(name.split("/")[0] for name in stage.assigned()))
    assert order[:31] == [f"parked-{number:02}" for number in range(30)] + ["newer"]


def test_10_a_record_too_large_is_a_dead_letter_and_stops_nothing() -> None:
    """What is beyond the limit leaves the way free for what comes after it."""
    stage = Stage(limits={"input_bytes_max": 2_048})
    stage.begin()
    stage.traffic._append(stage.topics.lead_batches, b"web", b"x" * 5_000, None)
    stage.send(events.lead_batch("after", 4))
    stage.settle()
    assert stage.refusals() == ["too_large"]
    assert len(stage.assigned()) == 3 + 4


def test_11_a_change_stamped_an_hour_ahead_is_applied_when_it_comes() -> None:
    """Order is what was acknowledged before what, whatever any clock says."""
    stage = Stage()
    stage.begin()
    stage.traffic.skew_ms = 3_600_000.0
    stage.send(events.change("assignee_paused", "pause", assignee_id="A"))
    stage.traffic.skew_ms = 0.0
    stage.send(events.lead_batch("second", 6))
    stage.finish()
    got = {name: who for name, who in stage.assigned().items() if name.startswith("second/")}
    assert set(got.values()) == {"B"}


def test_12_what_waits_for_its_state_is_not_committed_and_a_long_restore_keeps_its_place() -> None:
    """Slice by slice between polls: the group never misses the member."""
    stage = Stage(restore_slice_ms=10, restore_slice_records=1, session_timeout_ms=2_000)
    process = stage.begin()
    for number in range(60):
        stage.send(events.lead_batch(f"b{number}", 1))
        stage.until(lambda: False, 20.0)
    stage.settle()
    process.kill()
    stage.redis.flush()
    rebalances_before = stage.kafka.group.rebalances
    again = stage.start("0")
    stage.send(events.lead_batch("waits", 2))
    at = ("leads.batches", 0)
    committed = stage.kafka.group.offsets[at]
    stage.wait(lambda: bool(again.processor and again.processor.tasks), "assigned")
    assert stage.kafka.group.offsets[at] == committed
    stage.finish()
    # Its predecessor left, it joined: no more.
    assert stage.kafka.group.rebalances - rebalances_before <= 2


def test_13_offsets_that_expired_dispatch_nothing_again() -> None:
    """The changelog knows how far the inputs are applied."""
    stage = Stage()
    stage.begin().kill()
    stage.kafka.group.offsets.clear()
    stage.start("0")
    stage.send(events.lead_batch("second", 4))
    stage.finish()
    assert "duplicate_ignored" not in stage.kinds()


def test_13_input_that_is_gone_before_it_was_processed_stops_loudly() -> None:
    """Nothing is skipped in silence: an operator decides."""
    stage = Stage()
    stage.begin().kill()
    stage.send(*(events.lead_batch(f"b{number}", 1) for number in range(5)))
    stage.kafka.logs[stage.topics.lead_batches, 0].delete_before(4)
    process = stage.start("0")
    stage.wait(lambda: bool(process.ended), "it stops")
    assert process.ended.startswith("input lost")
    assert "3 records were deleted before they were processed" in process.ended


def test_13_input_that_goes_while_it_is_read_stops_loudly_as_well() -> None:
    """Retention overtakes a dispatcher that is far behind."""
    stage = Stage()
    process = stage.begin()
    process.thread.hold()
    stage.send(*(events.lead_batch(f"b{number}", 1) for number in range(5)))
    stage.kafka.logs[stage.topics.lead_batches, 0].delete_before(4)
    process.thread.let_go()
    stage.wait(lambda: bool(process.ended), "it stops")
    assert process.ended.startswith("input lost")


@pytest.mark.parametrize("change", ["more partitions", "one topic anew", "an input topic anew"])
def test_14_other_partitions_or_topics_than_recorded_stop_it(change: str) -> None:
    """Keys would hash elsewhere, offsets would mean other records."""
    stage = Stage()
    stage.begin().kill()
    inputs = stage.topics.inputs
    if change == "more partitions":
        for name, topic in stage.topics.table():
            stage.kafka.topics[name] = 2 if topic.copartitioned else 1
    elif change == "one topic anew":
        stage.kafka.topics[inputs[0]] = 2
    else:
        stage.kafka.topic_ids[inputs[0]] = "another id"
    process = stage.start("0")
    stage.wait(lambda: bool(process.ended), "it stops")
    assert process.ended.startswith("input lost")


def test_15_an_id_used_again_for_other_leads_is_no_duplicate() -> None:
    """It becomes a dead letter that somebody sees; the same again is ignored, parked or not."""
    stage = Stage()
    stage.start("0")
    stage.send(events.lead_batch("parked", 3), events.lead_batch("parked", 3))
    stage.send(events.lead_batch("parked", 5))
    stage.settle()
    stage.send(events.roster("first", {"A": "1"}), events.lead_batch("parked", 3))
    stage.finish()
    assert stage.refusals() == ["batch_id_reused"]
    assert stage.kinds().count("duplicate_ignored") == 2
    assert len(stage.assigned()) == 3 + 3


def test_16_invented_channels_fill_no_memory() -> None:
    """Beyond the bound they are dead letters; the channels that are known go on."""
    stage = Stage(limits={"channels_per_partition_max": 3, "parked_leads_per_channel_max": 4})
    stage.begin()
    stage.send(*(events.lead_batch("b", 1, f"invented-{number}") for number in range(9)))
    stage.send(events.lead_batch("second", 4))
    stage.settle()
    assert stage.refusals() == ["limit_exceeded"] * 7
    assert len(stage.assigned()) == 3 + 4


def test_a_task_that_comes_back_from_suspension_knows_what_others_did_meanwhile() -> None:
    """Revoked, missed for a whole rebalance, and given the partition again: memory is old."""
    stage = Stage(partitions=2, max_poll_interval_ms=10_000)
    first = stage.begin("0")
    second = stage.start("1")
    stage.wait(lambda: bool(second.processor and second.processor.tasks), "both work")
    stage.send(events.lead_batch("web-1", 2), events.lead_batch("phone-1", 2, "phone"))
    stage.settle()
    third = stage.start("2")  # and so the group is shaken
    held = [first, second]
    for process in held:
        process.thread.trap("partitions revoked", process.thread.hold)
    stage.wait(lambda: bool(third.processor and third.processor.tasks), "the third has all")
    stage.send(events.lead_batch("web-2", 2), events.lead_batch("phone-2", 2, "phone"))
    stage.settle()
    for process in held:
        process.thread.let_go()
    third.stopping = True
    stage.wait(
        lambda: all(bool(process.processor and process.processor.tasks) for process in held),
        "they are back",
    )
    stage.send(events.lead_batch("web-3", 2), events.lead_batch("phone-3", 2, "phone"))
    stage.finish()


@pytest.mark.parametrize("seed", range(1, 9))
def test_15_what_an_outcome_lets_go_comes_before_what_waits_beside_it(seed: int) -> None:
    """They were read together; the release is newer than nothing of its channel."""
    stage = Stage(seed)
    stage.start("0")
    stage.send(
        events.roster("r", {"A": "1"}),
        events.change("capacity_changed", "c", assignee_id="A", open_max=1),
    )
    stage.settle()
    stage.send(events.lead_batch("waits", 2))
    stage.settle()
    closed = events.change("lead_closed", "", lead_id="L1", assignee_id="A")
    del closed["change_id"]
    stage.send(*[{**closed, "outcome_id": f"o{n}"} for n in range(3)])
    stage.finish()
    assert stage.assigned().keys() >= {"waits/L1", "waits/L2"}
