"""A transaction that is still open when its partition changes hands: waited for, never missed."""

import pytest

from streams.broker import Remedy
from streams.kafka_broker import KafkaGroupConsumer
from streams.transactions import Transactions
from tests.reference import events
from tests.support import oracle
from tests.support.dispatchers import DispatcherProcess
from tests.support.held import HeldDispatcher, Hold, _client_log
from tests.support.installation import Installation
from tests.support.waiting import wait_until

LEADS = 9


def held_dispatcher(
    installation: Installation, call: str, transaction_timeout_ms: int = 60_000
) -> HeldDispatcher:
    """A former owner that has produced everything for a batch and stands before the call."""
    first = installation.started("first")
    installation.process([events.roster("r", {"A": "1", "B": "1", "C": "1"})])
    assert first.stop() == 0
    settings = installation.settings_with(
        slot="former",
        session_timeout_ms=6_000,
        transaction_timeout_ms=transaction_timeout_ms,
    )
    former = HeldDispatcher(settings, Hold(call))
    installation.publish([events.lead_batch("b", LEADS)])
    former.wait_until_held()
    return former


def successor(installation: Installation) -> DispatcherProcess:
    """The next owner; it asks again after a second and a half without an answer."""
    return installation.start("next", question_timeout_ms=1_500)


def test_a_commit_that_comes_after_the_owner_left_is_not_missed(installation: Installation) -> None:
    """It had sent its offsets; whoever is next waits for the outcome and goes on behind it."""
    former = held_dispatcher(installation, "commit")
    former.leave_the_group()
    after = successor(installation)
    # Three partitions have nothing to wait for.
    installation.wait_until_restored(after, installation.partitions - 1)
    waits = after.wait_for("restore waits")
    assert waits["step"] == "committed offsets"
    former.hold.let_go()
    former.wait_until_dead()
    installation.wait_until_restored(after, installation.partitions)
    installation.process([events.lead_batch("c", LEADS)])
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 2 * LEADS
    assert sum(line["changelog_records"] for line in after.log("restored")) > 0


def test_a_transaction_left_open_by_a_dead_owner_is_waited_for(installation: Installation) -> None:
    """The broker ends it in time; the batch is then divided by the next owner, once."""
    former = held_dispatcher(installation, "commit", transaction_timeout_ms=8_000)
    former.leave_the_group()
    former.hold.die()
    former.wait_until_dead()
    after = successor(installation)
    installation.wait_until_restored(after, installation.partitions - 1)
    assert after.wait_for("restore waits")["step"] == "committed offsets"
    assert len(after.restored()) < installation.partitions
    installation.wait_until_restored(after, installation.partitions)
    assert len(oracle.check(installation).assignments) == LEADS


def test_who_has_left_the_group_can_send_no_offsets(installation: Installation) -> None:
    """The broker refuses them, so that what was produced with them is never committed (R4)."""
    former = held_dispatcher(installation, "send_offsets")
    former.leave_the_group()
    after = successor(installation)
    # The changelog is read up to behind the open transaction's records, so that is waited for.
    installation.wait_until_restored(after, installation.partitions - 1)
    with pytest.raises(AssertionError, match="not within"):
        installation.wait_until_restored(after, installation.partitions, timeout_s=1)
    former.hold.let_go()
    wait_until(lambda: former.hold.failure is not None, "the offsets are refused")
    assert former.hold.failure is not None
    assert former.hold.failure.remedy in (Remedy.ABORT, Remedy.REPLACE, Remedy.FENCED)
    former.wait_until_dead()
    installation.wait_until_restored(after, installation.partitions)
    assert len(oracle.check(installation).assignments) == LEADS


def test_without_a_generation_no_transaction_is_begun(installation: Installation) -> None:
    """Brokers would accept it while the group has members; the dispatcher's own check doesn't."""
    settings = installation.settings_with(session_timeout_ms=6_000)
    consumer = KafkaGroupConsumer(settings, logger=_client_log)
    try:
        assert consumer.generation() == -1
        transactions = Transactions(lambda: pytest.fail("a producer"), settings, logger=None)
        place = (installation.topics.lead_batches, 0)
        with pytest.raises(AssertionError, match="R4"):
            transactions.run([], {place: 1}, consumer.group_metadata(), consumer.generation())

        def has_joined() -> bool:
            consumer.poll(1, 100)
            return consumer.generation() > 0

        wait_until(has_joined, "a generation above 0")
    finally:
        consumer.close()
