"""Where a dispatcher process ends itself, or stands still, at a named step of its own work.

In: what `PARTIDOR_TEST_FAILPOINT` says, `STEP[:COUNT[:ACTION]]`: at the COUNTth time (1) that the
process comes to STEP it does ACTION (kill). Out: adapters that do so.

The product knows nothing of this: the test's way into a process (``dispatchers``) wraps methods of
the adapters before it starts `partidor run`. An action is done within the step, so nothing happens
between the step and the action:

    kill        SIGKILL to itself
    stop        SIGSTOP to itself; whoever sent it may let it go on
    sleep=2.5   nothing for so many seconds
"""

import functools
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from dispatcher.redis_store import RedisStore
from schemas.topics import TopicNames
from streams.deciding import Decider
from streams.kafka_broker import (
    KafkaChangelogReader,
    KafkaCluster,
    KafkaGroupConsumer,
    KafkaProducer,
)
from streams.kafka_broker.group_offsets import AskedOffsets

ANSWER_S = 5.0
FLUSH_S = 1.0
_CHANGELOG = TopicNames("").changelog
"""The end of its name, after any prefix."""
CHANGELOG_SLICE = 3
"""Records that a restore reads at once, so that there is a middle."""
SENT_MS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How long after the last flush of a transaction `commit-sent` acts: EndTxn takes 1 to 5 ms."""


class Failpoint:
    """Counts how often the step was reached, and acts when it is time."""

    def __init__(self, step: str, count: int = 1, action: str = "kill") -> None:
        self.step = step
        self.action = action
        self._left = count

    def is_due(self) -> bool:
        """The step was reached: is it time?"""
        self._left -= 1
        return self._left == 0

    def reach(self) -> None:
        """The step was reached; act if it is time."""
        if self.is_due():
            self.act()

    def act(self) -> None:
        """End, or stand still."""
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            time.sleep(float(self.action.removeprefix("sleep=")))


def install(text: str) -> None:
    """Wrap the adapters; see the head of this file for the text."""
    step, _, rest = text.partition(":")
    count, _, action = rest.partition(":")
    STEPS[step](Failpoint(step, int(count or 1), action or "kill"))


def _around(owner: type, name: str) -> Callable[[Callable[..., Any]], None]:
    """Replace a method by a function of the original and its arguments."""
    original = getattr(owner, name)

    def replace(wrapper: Callable[..., Any]) -> None:
        @functools.wraps(original)
        def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
            return wrapper(functools.partial(original, self), self, *arguments, **named)

        setattr(owner, name, wrapped)

    return replace


def _after(
    owner: type, name: str, counts: Callable[[Any], bool] = lambda _: True
) -> Callable[[Failpoint], None]:
    """Right after a method has returned something that counts."""

    def wrap(point: Failpoint) -> None:
        @_around(owner, name)
        def wrapped(original: Any, _self: Any, *arguments: Any, **named: Any) -> Any:
            found = original(*arguments, **named)
            if counts(found):
                point.reach()
            return found

    return wrap


def _before(owner: type, name: str) -> Callable[[Failpoint], None]:
    """Right before a method is called."""

    def wrap(point: Failpoint) -> None:
        @_around(owner, name)
        def wrapped(original: Any, _self: Any, *arguments: Any, **named: Any) -> Any:
            point.reach()
            return original(*arguments, **named)

    return wrap


def _between_produces(point: Failpoint) -> None:
    """After the second record of a transaction has reached the broker."""
    produced = 0

    @_around(KafkaProducer, "begin")
    def begin(original: Any, _self: Any) -> None:
        nonlocal produced
        produced = 0
        original()

    @_around(KafkaProducer, "produce")
    def produce(
        original: Any,
        self: Any,
        topic: str,
        partition: int,
        records: Any,
        headers: Any,
        on_offset: Any,
        timestamp_ms: Any,
    ) -> int:
        nonlocal produced
        taken = 0
        while taken < len(records) and produced < 2:
            one = records[taken : taken + 1]
            if not original(topic, partition, one, headers, on_offset, timestamp_ms):
                return taken
            taken, produced, on_offset = taken + 1, produced + 1, None
            if produced == 2 and point.is_due():
                self._producer.flush(FLUSH_S)
                point.act()
        if taken == len(records):
            return taken
        rest = original(topic, partition, records[taken:], headers, on_offset, timestamp_ms)
        return taken + int(rest)


def _after_decide(point: Failpoint) -> None:
    """After something was decided for a transaction, perhaps while the one before is under way."""

    @_around(Decider, "fill")
    def fill(original: Any, _self: Any, draft: Any, tasks: Any) -> None:
        original(draft, tasks)
        if draft.size:
            point.reach()


def _commit_sent(point: Failpoint) -> None:
    """While the commit is under way; its moment depends on how often it comes there."""
    times = point._left

    @_around(KafkaProducer, "commit")
    def commit(original: Any, self: Any, *arguments: Any, **named: Any) -> None:
        if point.is_due():
            self._producer.flush(FLUSH_S)  # then EndTxn is the first thing that it sends
            delay_s = SENT_MS[times % len(SENT_MS)] / 1000
            threading.Timer(delay_s, point.act).start()
        original(*arguments, **named)


def _inside_apply(point: Failpoint) -> None:
    """The script is carried out, its answer is there and was not read."""

    @_around(RedisStore, "apply")
    def apply(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        if not point.is_due():
            return original(*arguments, **named)
        client = self._redis

        def send_only(*command: Any) -> Any:
            connection = client.connection_pool.get_connection()
            connection.send_command("EVAL", *command)
            select.select([connection._sock], [], [], ANSWER_S)
            point.act()
            raise TimeoutError("the answer was lost while the process stood still")

        client.eval = send_only
        try:
            return original(*arguments, **named)
        finally:
            del client.eval


def _restore_end(point: Failpoint) -> None:
    """After the changelog's high watermark was asked: the second step of a restore."""

    @_around(KafkaCluster, "end_offsets")
    def end_offsets(original: Any, self: Any, partitions: Any, **named: Any) -> Any:
        found = original(partitions, **named)
        if any(topic.endswith(_CHANGELOG) for topic, _ in partitions):
            point.reach()
        return found


def _restore_changelog(point: Failpoint) -> None:
    """In the middle of reading the changelog."""

    @_around(KafkaChangelogReader, "read")
    def read(original: Any, _self: Any, records_max: int, timeout_ms: int) -> Any:
        found = original(min(records_max, CHANGELOG_SLICE), timeout_ms)
        if found:
            point.reach()
        return found


STEPS: dict[str, Callable[[Failpoint], None]] = {
    "after-consume": _after(KafkaGroupConsumer, "poll", lambda polled: bool(polled.records)),
    "after-decide": _after_decide,
    "between-produces": _between_produces,
    "after-send-offsets": _after(KafkaProducer, "send_offsets"),
    "commit-sent": _commit_sent,
    "after-commit": _after(KafkaProducer, "commit"),
    "before-apply": _before(RedisStore, "apply"),
    "inside-apply": _inside_apply,
    "after-apply": _after(RedisStore, "apply"),
    "restore-after-offsets": _after(AskedOffsets, "answer", lambda found: found is not None),
    "restore-after-end": _restore_end,
    "restore-in-changelog": _restore_changelog,
}
"""Every step by its name, in the order of the work; the last three are of a restore."""
