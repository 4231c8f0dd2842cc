"""What becomes of a transaction when something goes wrong (R4, R6)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from streams.broker import (
    UNKNOWN_OFFSET,
    CallFailed,
    Headers,
    KeyValue,
    OnOffset,
    Remedy,
    T,
    TopicPartition,
)
from streams.settings import Settings
from streams.transactions import Aborted, OutcomeUnknown, Output, SlotContested, Transactions

SETTINGS = Settings(retry_deadline_ms=1_000, call_timeout_ms=1_000)
OUTPUTS = [
    Output("leads.assignments", 3, [(b"web", b"{}")]),
    Output("dispatch.changelog", 3, [(b"web", b"{}")], None, reported=True),
]
OFFSETS: dict[TopicPartition, int] = {("leads.batches", 3): 7}


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        """At zero."""
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class ScriptedProducer:
    """Does what it is told to: per call, the failures to raise, first to last."""

    def __init__(self, clock: Clock, **failures: list[Remedy]) -> None:
        """`commit_seconds` and `error_at_commit` make commit slow, or see a connection error;
        of the records `unheard`, by their places, no broker says that it stored them.
        """
        self.clock = clock
        self.failures = failures
        self.calls: list[str] = []
        self.commit_seconds = 0.0
        self.errors = 0
        self.served = 0
        self.error_at_commit = False
        self.unheard: set[int] = set()
        self._stored: Counter[str] = Counter()
        self._reports: list[Callable[[], None]] = []

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.failures.get(name):
            raise CallFailed(self.failures[name].pop(0), name)

    def init_transactions(self, timeout_ms: int) -> None:
        """Scripted."""
        self._call("init_transactions")

    def begin(self) -> None:
        """Scripted."""
        self._call("begin")

    def produce(
        self,
        topic: str,
        partition: int,
        records: Sequence[KeyValue],
        headers: Headers | None = None,
        on_offset: OnOffset | None = None,
        timestamp_ms: int | None = None,
    ) -> int:
        """Scripted; the offset is told by `flush`."""
        try:
            self._call("produce")
        except CallFailed as failed:
            if failed.remedy is Remedy.RETRY:
                return 0
            raise
        offset = 40 + self._stored[topic]
        if len(self._reports) in self.unheard:
            offset = UNKNOWN_OFFSET
        self._stored[topic] += offset != UNKNOWN_OFFSET
        self._reports.append(lambda: on_offset(offset) if on_offset else None)
        return len(records)

    def serve(self, timeout_ms: int) -> None:
        """Time passes; failures are scripted."""
        self.clock.sleep(timeout_ms / 1000)
        self.served += 1
        if self.failures.get("serve"):
            raise CallFailed(self.failures["serve"].pop(0), "serve")

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """Scripted."""
        self._call("send_offsets")

    def flush(self, timeout_ms: int) -> None:
        """Scripted."""
        self._call("flush")
        for report in self._reports:
            report()
        self._reports.clear()

    def commit(self, timeout_ms: int) -> None:
        """Scripted."""
        self.clock.sleep(self.commit_seconds)
        self.errors += self.error_at_commit
        self._call("commit")

    def abort(self, timeout_ms: int) -> None:
        """Scripted."""
        self._call("abort")

    def alongside(self, calls: Callable[[], T]) -> Callable[[], T]:
        """When they are waited for."""
        return calls

    def connection_errors(self) -> int:
        """As scripted."""
        return self.errors

    def close(self) -> None:
        """Noted."""
        self.calls.append("close")


class Quiet:
    """A logger that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Any level."""
        return lambda *_args, **_fields: None


def opened(producer: ScriptedProducer) -> Transactions:
    """Transactions with this producer."""
    transactions = Transactions(
        lambda: producer,
        SETTINGS,
        logger=Quiet(),
        monotonic=lambda: producer.clock.now,
        sleep=producer.clock.sleep,
    )
    transactions.open()
    producer.calls.clear()
    return transactions


def run(transactions: Transactions, **changed: Any) -> dict[int, int]:
    """A transaction with one assignment and one changelog record on partition 3."""
    arguments = {"outputs": OUTPUTS, "offsets": OFFSETS, "metadata": b"m", "generation": 1}
    return transactions.run(**{**arguments, **changed})


def test_a_committed_transaction_tells_where_the_changelog_stands() -> None:
    """The offset behind the last changelog record, from the delivery reports."""
    producer = ScriptedProducer(Clock())
    assert {("dispatch.changelog", 3): 41} == run(opened(producer))
    assert ["begin", "produce", "produce", "send_offsets", "flush", "commit"] == producer.calls


@pytest.mark.parametrize(
    ("failures", "seen"),
    [
        ({"produce": [Remedy.ABORT]}, Aborted),
        ({"send_offsets": [Remedy.ABORT]}, Aborted),
        ({"begin": [Remedy.REPLACE]}, OutcomeUnknown),
        ({"produce": [Remedy.FENCED]}, OutcomeUnknown),
        ({"send_offsets": [Remedy.REPLACE]}, OutcomeUnknown),
        # Any error from commit or abort, even one that says "retry" or "abort".
        ({"commit": [Remedy.RETRY]}, OutcomeUnknown),
        ({"commit": [Remedy.ABORT]}, OutcomeUnknown),
        ({"commit": [Remedy.FENCED]}, OutcomeUnknown),
        ({"send_offsets": [Remedy.ABORT], "abort": [Remedy.RETRY]}, OutcomeUnknown),
    ],
)
def test_an_error_has_the_remedy_that_the_protocol_says(
    failures: dict[str, list[Remedy]], seen: type[Exception]
) -> None:
    """Abort where that is certain; else the producer is closed, and everything restored."""
    producer = ScriptedProducer(Clock(), **{name: list(each) for name, each in failures.items()})
    transactions = opened(producer)
    with pytest.raises(seen):
        run(transactions)
    assert ("close" in producer.calls) == (seen is OutcomeUnknown)
    assert transactions.is_open == (seen is Aborted)


@pytest.mark.parametrize("unheard", [{0}, {1}, {0, 1}])
def test_records_of_which_no_broker_said_a_word_are_not_committed(unheard: set[int]) -> None:
    """A client may take them for stored; the producer is replaced."""
    producer = ScriptedProducer(Clock())
    producer.unheard = unheard
    with pytest.raises(OutcomeUnknown, match="records of which no broker said"):
        run(opened(producer))
    assert "commit" not in producer.calls
    assert "close" in producer.calls


def test_the_first_record_of_a_partition_speaks_for_the_next_ones() -> None:
    """A broker takes no later one without it; only the changelog's are all listened to."""
    producer = ScriptedProducer(Clock())
    producer.unheard = {2}
    assert {("dispatch.changelog", 3): 41} == run(opened(producer), outputs=[*OUTPUTS, OUTPUTS[0]])
    with pytest.raises(OutcomeUnknown):
        run(opened(producer), outputs=[*OUTPUTS, OUTPUTS[1]])


def test_a_retriable_call_is_called_again() -> None:
    """The same call, until it works."""
    producer = ScriptedProducer(
        Clock(), send_offsets=[Remedy.RETRY] * 3, produce=[Remedy.RETRY] * 2
    )
    assert {("dispatch.changelog", 3): 41} == run(opened(producer))
    assert producer.calls.count("send_offsets") == 4
    assert producer.calls.count("produce") == 4


def test_retries_end_at_the_deadline_with_another_producer() -> None:
    """The client may be stuck for good; nothing was committed, and a new one fences the rest."""
    producer = ScriptedProducer(Clock(), send_offsets=[Remedy.RETRY] * 1_000)
    with pytest.raises(OutcomeUnknown):
        run(opened(producer))
    assert producer.clock.now < 3.0


@pytest.mark.parametrize(("seconds", "broken"), [(5.1, False), (0.0, True)])
def test_a_commit_that_took_long_or_saw_a_broken_connection_is_in_doubt(
    seconds: float, broken: bool
) -> None:
    """A late EndTxn could end the next transaction: only a new producer is safe."""
    producer = ScriptedProducer(Clock())
    transactions = opened(producer)
    producer.commit_seconds = seconds
    producer.error_at_commit = broken
    with pytest.raises(OutcomeUnknown):
        run(transactions)
    assert producer.calls[-1] == "close"


@pytest.mark.parametrize(("seconds", "broken"), [(5.1, False), (0.0, True)])
def test_what_happened_before_the_commit_raises_doubt_as_well(seconds: float, broken: bool) -> None:
    """A late TxnOffsetCommit would put older offsets into the next transaction."""

    class Hampered(ScriptedProducer):
        def send_offsets(
            self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
        ) -> None:
            """Slow, or over a connection that breaks."""
            self.clock.sleep(seconds)
            self.errors += broken
            super().send_offsets(offsets, metadata, timeout_ms)

    producer = Hampered(Clock())
    with pytest.raises(OutcomeUnknown):
        run(opened(producer))
    assert producer.calls[-2:] == ["commit", "close"]


def test_fenced_three_times_in_five_minutes_it_stops_and_names_the_slot() -> None:
    """Two processes with one slot would fence each other for ever."""
    clock = Clock()
    producer = ScriptedProducer(clock, begin=[Remedy.FENCED] * 9)
    transactions = opened(producer)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            run(transactions)
        transactions.open()
    with pytest.raises(SlotContested, match="slot '0'"):
        run(transactions)


def test_fenced_now_and_then_it_goes_on() -> None:
    """A transaction that timed out looks the same as a rival."""
    clock = Clock()
    transactions = opened(ScriptedProducer(clock, begin=[Remedy.FENCED] * 9))
    for _ in range(9):
        with pytest.raises(OutcomeUnknown):
            run(transactions)
        clock.sleep(200)
        transactions.open()


def test_a_producer_that_cannot_start_is_closed_again() -> None:
    """The caller tries again later."""
    producer = ScriptedProducer(Clock(), init_transactions=[Remedy.RETRY] * 1_000)
    transactions = Transactions(
        lambda: producer,
        SETTINGS,
        logger=Quiet(),
        monotonic=lambda: producer.clock.now,
        sleep=producer.clock.sleep,
    )
    with pytest.raises(OutcomeUnknown):
        transactions.open()
    assert not transactions.is_open


def test_the_next_transaction_leaves_the_brokers_time_to_end_the_last_one() -> None:
    """Before its markers are written no partition can be added to another."""
    producer = ScriptedProducer(Clock(), send_offsets=[Remedy.ABORT])
    transactions = opened(producer)
    assert transactions.gap_left_ms() == 0
    with pytest.raises(Aborted):
        run(transactions)
    for _ in range(2):
        assert transactions.gap_left_ms() == SETTINGS.transaction_gap_ms > 0
        producer.clock.sleep(0.002)
        assert transactions.gap_left_ms() == SETTINGS.transaction_gap_ms - 2
        producer.clock.sleep(1.0)
        assert transactions.gap_left_ms() == 0
        run(transactions)


@pytest.mark.parametrize(
    "changed", [{"offsets": {}}, {"offsets": {("leads.batches", 3): -1001}}, {"generation": -1}]
)
def test_a_transaction_that_the_broker_could_not_fence_is_never_begun(
    changed: dict[str, Any],
) -> None:
    """R4: no valid offset for a partition whose changelog it writes, or no real generation."""
    producer = ScriptedProducer(Clock())
    with pytest.raises(AssertionError, match="R4"):
        run(opened(producer), **changed)
    assert producer.calls == []


def test_between_transactions_the_producer_is_heard_and_dropped_if_it_is_of_no_use() -> None:
    """Where there is none, there is nothing to hear."""
    producer = ScriptedProducer(Clock())
    transactions = opened(producer)
    transactions.attend()
    assert (producer.served, transactions.is_open) == (1, True)
    producer.failures["serve"] = [Remedy.FENCED]
    with pytest.raises(OutcomeUnknown):
        transactions.attend()
    assert (producer.calls, transactions.is_open) == (["close"], False)
    transactions.attend()
    assert producer.served == 2
